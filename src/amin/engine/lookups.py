"""How many prompts are looked up in the prefix cache in a step: for simulator and engine."""

LOOKUPS_PER_STEP = 8
"""Of so many who wait, in turn, in each step."""

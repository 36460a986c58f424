"""amin: schedule LLM requests by the lower bound of their predicted length."""

__version__ = "0.1.0"

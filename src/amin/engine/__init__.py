"""Engines own KV memory and the clock; they ask policies and predictors, never the reverse."""

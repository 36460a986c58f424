"""The demonstration: real prompts, a small real model, several schedulers, one table and a page."""

"""``python -m benchmarks [NAME ...]``: ratios of pairs taken in one run, never bare times."""

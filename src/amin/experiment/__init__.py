"""Workload, policy, predictor and engine put together: one run, or many side by side."""

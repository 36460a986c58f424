"""What no scheduler can beat: bounds on the sum of latencies in the paper's unit-time model."""

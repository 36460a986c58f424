"""Records to numbers: pure functions that never ask which engine wrote the records."""

"""Who runs next, how much memory to expect of it, and who leaves when memory runs out."""

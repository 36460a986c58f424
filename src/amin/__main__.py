"""``python -m amin``: the command line, where its script is not on the path."""

from amin.cli import main

main()

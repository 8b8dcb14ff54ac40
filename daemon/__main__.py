"""Lets `python -m daemon` do what `wharfinger` does."""

from daemon.cli import main

main()

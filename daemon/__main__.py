"""Lets `python -m daemon` do what `wharfinger` does."""

from daemon.entry import wharfinger

wharfinger()

"""`python -m daemon` is `wharfinger`."""

from daemon.cli import main

main()

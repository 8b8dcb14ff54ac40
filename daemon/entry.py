"""Where both programs begin: most of a short command is imports, and who interrupts those sees no traceback.

It imports next to nothing itself, and knows no command.
"""

import sys
from importlib import import_module

INTERRUPTED = 130
"""As a shell counts SIGINT."""


def wharfinger() -> None:
    """Run wharfinger."""
    _run("wharfinger", "daemon.cli")


def wharfctl() -> None:
    """Run wharfctl."""
    _run("wharfctl", "daemon.ctl")


def _run(name: str, module: str) -> None:
    try:
        main = import_module(module).main
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted\n")
        raise SystemExit(INTERRUPTED) from None
    main(prog_name=name)

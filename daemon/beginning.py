"""What a command of wharfinger does before it imports the daemon, since most of a quick start is imports.

It owns how things are imported and how much garbage is looked for meanwhile; it knows nothing of the daemon.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from daemon.collector import look_seldom


def begin() -> None:
    """Prepare for the imports of a daemon; a second call changes nothing."""
    look_seldom()
    with _hidden("rich", "pygments"):
        # Both import rich where they find it, 70 modules: structlog to print exceptions in colours, which our
        # logs have made texts of by then, httpx for a command line of its own. They are a fifth of all that
        # the daemon imports. What draws with rich itself finds it later as ever.
        import httpx
        import structlog

        del httpx, structlog


@contextmanager
def _hidden(*packages: str) -> Generator[None]:
    """Let imports inside find none of these packages, except one that is imported already."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None is Python's own sign for this
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]

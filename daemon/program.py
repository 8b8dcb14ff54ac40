"""What both programs do alike when they cannot go on: a line and an exit code, and no traceback.

It owns what happens when nobody can take what is printed, and when somebody interrupts. It imports nothing
that takes long, since wharfctl starts anew for every command.
"""

import errno
import os
import sys
from typing import Any, NoReturn

import click

from daemon.entry import INTERRUPTED

UNPRINTABLE = 74
"""sysexits' EX_IOERR: what was asked may be done, and its answer is lost."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write says of a disk, a quota, a limit or a device that takes no more."""

PRINTERS = ("click", "rich")
"""Whose code prints for us."""


class Program(click.Group):
    """A group of commands that is a program."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's own
        """Run, and end with a line where nothing more can be printed."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if not is_unprintable(error):
                raise
            _end(self, UNPRINTABLE, f"cannot write what it has to say: {error.strerror}")

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run a command; who interrupts it is told so, and by an exit code that stands for nothing else."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end(self, INTERRUPTED, "interrupted")


def is_unprintable(error: BaseException) -> bool:
    """Tell whether it is that nothing more can be printed; a file that takes no more is another matter."""
    if not isinstance(error, OSError) or error.errno not in FULL or error.__traceback__ is None:
        return False
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    return str(frame.tb_frame.f_globals.get("__name__")).partition(".")[0] in PRINTERS


def _end(program: click.Group, code: int, why: str) -> NoReturn:
    _print_no_more()
    click.echo(f"{program.name}: {why}", err=True)
    raise SystemExit(code)


def _print_no_more() -> None:
    """Let what is still buffered go nowhere: Python would try it once more at the end, and complain."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):  # closed, none at all, or no file
        return

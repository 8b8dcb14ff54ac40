"""Writes a command's man page out of its own help, so that the two cannot differ: -m daemon.manual NAME.

It owns the page's form; what a command does is said where the command is.
"""

import re
import sys
from collections.abc import Iterator

import click

from daemon.version import VERSION

EXITS = {
    "wharfctl": {
        "0": "It is done, or was done already.",
        "1": "The daemon failed at it.",
        "2": "Wrong usage.",
        "3": "The daemon works, but not all is well: it does not take orders, or a partner is away (status).",
        "4": "The daemon understood and says no; the reason is on standard error.",
        "69": "No daemon answers. What was asked may have been done: repeat it under the same --key.",
        "74": "The answer cannot be printed, as where the disk is full. What was asked is done.",
        "130": "Interrupted. What was asked may have been done: repeat it under the same --key.",
    },
    "wharfinger": {
        "0": "Well.",
        "1": "Not well, as the command says.",
        "2": "Wrong usage.",
        "69": "What is needed cannot be reached: the database, a port, the control socket.",
        "70": "A fault of ours; the log has the traceback.",
        "74": "What it has to say cannot be printed, as where the disk is full.",
        "75": "The lease or the database was lost: start again.",
        "78": "Wrong settings; each mistake is named.",
        "130": "Interrupted.",
    },
}
FILES = {
    "wharfctl": {"/run/wharfinger/control.sock": "The control socket, unless another one is named."},
    "wharfinger": {"/etc/wharfinger/wharfinger.toml": "The settings, unless others are named."},
}
ENVIRONMENT = {
    "wharfctl": {
        "WHARFINGER_SOCKET": "The control socket.",
        "NO_COLOR": "If set, tables on a terminal are drawn without colours.",
    },
    "wharfinger": {"WHARFINGER_CONFIG": "The settings.", "NO_COLOR": "If set, no colours on a terminal."},
}
OTHER = {"wharfctl": "wharfinger", "wharfinger": "wharfctl"}


def page(name: str, command: click.Group) -> str:
    """Return the man page of a program in roff."""
    context = click.Context(command, info_name=name)
    lines = [
        f'.TH {name.upper()} 1 "" "Wharfinger {VERSION}" "Wharfinger"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(_first_line(command))}",
        ".SH SYNOPSIS",
        rf".B {_text(name)}",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGS\fR]...",
        ".SH DESCRIPTION",
        _text(command.help or ""),
        ".SH OPTIONS",
        *_options(command, context),
        ".SH COMMANDS",
        *_commands(command, context),
        ".SH EXIT STATUS",
        *_definitions(EXITS[name]),
        ".SH ENVIRONMENT",
        *_definitions(ENVIRONMENT[name]),
        ".SH FILES",
        *_definitions(FILES[name]),
        ".SH SEE ALSO",
        rf"\fB{OTHER[name]}\fR(1)",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)
            continue
        usage = " ".join(command.collect_usage_pieces(inner)[1:])
        path = inner.command_path.partition(" ")[2]
        yield f".SS {_text(path)} {_text(usage)}".rstrip()
        yield _text((command.help or "").replace("\n", " ").strip())
        yield from _options(command, inner)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in record[0]:
            yield ".TP"
            yield rf"\fB{_text(record[0])}\fR"
            yield _text(record[1]) or r"\&"


def _definitions(told: dict[str, str]) -> Iterator[str]:
    for term, what in told.items():
        yield ".TP"
        yield rf"\fB{_text(term)}\fR"
        yield _text(what)


def _first_line(command: click.Command) -> str:
    return (command.help or "").partition("\n")[0].rstrip(".")


def _text(text: str) -> str:
    """Return text as roff prints it: a dash that can be copied, and no line that is taken for a request."""
    escaped = re.sub(r"\s+", " ", text).strip().replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _program(name: str) -> click.Group:
    if name == "wharfctl":
        from daemon.ctl import main as program
    else:
        from daemon.cli import main as program
    return program


if __name__ == "__main__":
    sys.stdout.write(page(sys.argv[1], _program(sys.argv[1])))

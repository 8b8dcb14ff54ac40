"""What a person sees of the demo: live progress on a terminal, a line now and then elsewhere, a table."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

STAGES = (
    "held", "backordered", "allocating", "picking", "packed", "shipped", "delivered", "cancelled",
)  # fmt: skip

LINE_EVERY = 4
"""Without a terminal, one look in so many is printed: a line every two seconds."""


BAR_WIDTH_MIN, BAR_WIDTH_MAX = 8, 40
"""Letters: below eight a bar tells nothing, beyond forty nothing more."""

BESIDE_THE_BAR = 30
"""Letters that the stages, their counts and the lines between take of a row."""


class Screen:
    """The demo's face."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._console = Console(file=sys.stdout)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._looks = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        else:
            orders = f"{self._orders} order{'' if self._orders == 1 else 's'}"
            self._say(f"Starting shop, ERP, carrier, Postgres and the daemon for {orders} ...")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, status: Mapping[str, Any], placed: int, labels: int) -> None:
        """Show how far the orders are."""
        counts: Mapping[str, int] = status["orders"]
        done = counts.get("shipped", 0) + counts.get("delivered", 0) + counts.get("cancelled", 0)
        outbox = sum(partner["pending"] for partner in status["partners"])
        untold = f"to be told to partners{away(status)}"
        self._looks += 1
        if self._console.is_terminal:
            told = f"{done} done, {labels} labels bought, {outbox} documents {untold}"
            self._live.update(self._picture(counts, placed, told))
        elif self._looks % LINE_EVERY == 1:
            stages = ", ".join(f"{counts[stage]} {stage}" for stage in STAGES if counts.get(stage))
            self._say(f"{placed} placed: {stages or 'none imported yet'}; {labels} labels; {outbox} {untold}")

    def tell(self, line: str) -> None:
        """Say something that stays, above what changes."""
        self._say(line)

    def _say(self, line: str) -> None:
        """Print a line as it is: whoever reads a pipe breaks lines by itself, or wants none broken."""
        self._console.print(line, soft_wrap=True, highlight=False)

    def _picture(self, counts: Mapping[str, int], placed: int, told: str) -> Group:
        table = Table(
            title=f"Wharfinger demo: {placed} of {self._orders} orders placed", title_justify="left"
        )
        bar = max(BAR_WIDTH_MIN, min(BAR_WIDTH_MAX, self._console.width - BESIDE_THE_BAR))
        table.add_column("stage", no_wrap=True)
        table.add_column("orders", justify="right", no_wrap=True)
        table.add_column("")
        for stage in STAGES:
            count = counts.get(stage, 0)
            table.add_row(
                stage, str(count), ProgressBar(total=max(self._orders, 1), completed=count, width=bar)
            )
        return Group(table, Text(told))

    def end(self, report: Mapping[str, Any], *, sound: bool) -> None:
        """Print the table and the verdict."""
        self._live.stop()
        table = Table(title="What it came to", title_justify="left")
        table.add_column("")
        table.add_column("figure")
        table.add_column("", justify="right")
        for section, values in report.items():
            if isinstance(values, Mapping):
                for number, (name, value) in enumerate(values.items()):
                    table.add_row(section if number == 0 else "", name.replace("_", " "), str(value))
                table.add_section()
            else:
                table.add_row("", section, str(values))
        self._console.print(table)
        if sound:
            self._say(
                "Every unit is accounted for: no order lost or doubled, all books agree, the log is whole."
            )
        else:
            self._console.print("[bold red]Something is wrong[/]: the figures above do not agree.")

    def invite(self, control_socket: Path, config: Path, web_port: int, order: str) -> None:
        """Say how to look around while everything is still up."""
        wharfctl, wharfinger = called("wharfctl"), called("wharfinger")
        self._say(
            f"\nThe daemon is still up. Look around, then end with Ctrl-C:\n"
            f"  {wharfctl} --socket {control_socket} orders\n"
            f"  {wharfctl} --socket {control_socket} order show {order}\n"
            f"  {wharfinger} audit --config {config}\n"
            f"  curl http://127.0.0.1:{web_port}/metrics\n"
        )


def away(status: Mapping[str, Any]) -> str:
    """Return who is away, to be put behind a line."""
    return "".join(
        f"; {each['partner']} is {each['state']}"
        for each in status["partners"]
        if each["state"].startswith("away")
    )


def called(program: str) -> str:
    """Return how a program of ours is called from a shell: by its path where the shell would not find it."""
    beside = Path(sys.executable).parent / program
    return program if shutil.which(program) == str(beside) or not beside.exists() else str(beside)

"""Runs the benchmarks: all of them or those that are named, as a readable table or as one JSON object a line.

Each is a ratio in one run on one machine. It ends with 1 when a goal does not hold. Progress goes to standard
error.
"""

import argparse
import importlib
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

# The benchmarks are no package that anybody installs: the tree they lie in has to be found.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.benchmarks.measure import FULL, TINY, Figure, open_lab, progress  # noqa: E402 - see above

BENCHMARKS: Final = ("ledger", "hot", "scarce", "flow", "growth", "restart", "erp", "shop")


def main(arguments: Sequence[str]) -> int:
    """Run what is asked for, print the figures, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; all if none"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--tiny", action="store_true", help="try that they run; the figures mean nothing")
    asked = parser.parse_args(arguments)
    if strangers := sorted(set(asked.names) - set(BENCHMARKS)):
        parser.error(f"there is no benchmark {', '.join(strangers)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    figures: list[Figure] = []
    with open_lab(TINY if asked.tiny else FULL) as lab:
        for name in asked.names or BENCHMARKS:
            progress(f"{name} ...")
            began = time.monotonic()
            measured: list[Figure] = importlib.import_module(f"tests.benchmarks.{name}").measure(lab)
            progress(f"{name} took {time.monotonic() - began:.0f} s")
            figures += measured
            if asked.json:
                for each in measured:
                    print(msgspec.json.encode(each).decode(), flush=True)
    if not asked.json:
        _print_table(figures)
    return int(any(each.holds is False for each in figures))


def _print_table(figures: Sequence[Figure]) -> None:
    width = max((len(each.figure) for each in figures), default=0)
    for each in figures:
        verdict = "" if each.holds is None else "holds" if each.holds else "DOES NOT HOLD"
        value = f"{each.value:,.0f}" if abs(each.value) >= 1_000 else f"{each.value:g}"
        measured = f"{each.benchmark:8} {each.figure:{width}} {value:>10} {each.unit:15}"
        print(f"{measured} {each.goal or '':10} {verdict}".rstrip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

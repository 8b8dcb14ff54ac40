"""How wharfctl shows answers: tables for people at a terminal, tab-separated lines for programs."""

import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from daemon.ctl_widths import OPEN, fitted, readable

Answer = Mapping[str, Any]


class Table(NamedTuple):
    """Rows under a title; every cell is text already."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


ACCOUNTS = ("available", "reserved", "picked", "quarantine")
STOCK_COLUMNS = ("sku", "slot", *ACCOUNTS, "expected", "due")
MOVED_COLUMNS = ("at", "kind", "about", "source", "target", "units")

View = Callable[[Answer], Sequence[Table]]


def show(tables: Sequence[Table], echo: Callable[[str], None]) -> None:
    """Print the tables: by rich on a terminal, else one line a row with a heading above."""
    if sys.stdout is not None and sys.stdout.isatty():  # None where somebody has closed it
        _show_rich(tables)
        return
    for table in tables:
        echo("\t".join(table.columns))
        for row in table.rows:
            echo("\t".join(row))


def _show_rich(tables: Sequence[Table]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console()
    for table in tables:
        if not table.rows:
            console.print(f"{table.title}\n  (nothing)", style="italic", markup=False, highlight=False)
            continue
        rows = [[readable(text) for text in row] for row in table.rows]
        fit = fitted(
            [[heading, *cells] for heading, *cells in zip(table.columns, *rows, strict=True)], console.width
        )
        drawn = RichTable(
            title=table.title,
            title_justify="left",
            box=box.HEAVY_HEAD if fit.ruled else None,
            padding=(0, 1) if fit.ruled else (0, OPEN, 0, 0),
        )
        for column, width in zip(table.columns, fit.widths, strict=True):
            drawn.add_column(column, overflow="fold", width=width)
        for row in rows:
            drawn.add_row(*(Text(text) for text in row))  # Text: a SKU in brackets is no markup
        console.print(drawn)


def cell(value: object) -> str:
    """Return a value as text for a cell; what a shop sent cannot steer the terminal."""
    match value:
        case None:
            text = ""
        case list() | tuple():
            text = ", ".join(cell(item) for item in value)
        case Mapping():
            text = " ".join(f"{key}={_within(item)}" for key, item in value.items())
        case _:
            text = str(value)
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _within(item: object) -> str:
    return f"({cell(item)})" if item and isinstance(item, Mapping | list | tuple) else cell(item)


def person(by: str) -> str:
    """Return the name of an account that the log knows by its number, where this machine has it."""
    uid = by.removeprefix("uid ")
    if uid != by and uid.isdecimal():
        with suppress(KeyError):
            return pwd.getpwuid(int(uid)).pw_name
    return by


def _table(title: str, columns: Sequence[str], rows: Sequence[Answer]) -> Table:
    """Take the columns out of rows that bear them as keys."""
    names = [column.replace(" ", "_") for column in columns]
    return Table(title, columns, [[cell(row.get(name)) for name in names] for row in rows])


def status(answer: Answer) -> Sequence[Table]:
    """Show the daemon at a glance."""
    glance = ("state", "version", "started_at", "rules", "partitions", "anomalies", "warehouses")
    orders = [{"state": state, "orders": count} for state, count in answer["orders"].items()]
    return (
        Table("Daemon", ("what", "is"), [(name, cell(answer.get(name))) for name in glance]),
        _table("Orders", ("state", "orders"), orders),
        _table("Partners", ("partner", "state", "pending", "oldest"), answer["partners"]),
    )


def is_degraded(answer: Answer) -> bool:
    """Tell whether the daemon works, and not all is well with it."""
    return answer["state"] != "running" or any(
        each["state"].startswith("away") for each in answer["partners"]
    )


def event(answer: Answer) -> str:
    """Return an event of the log as a line."""
    return "\t".join(cell(answer[name]) for name in ("at", "stream", "kind", "data"))


def partners(answer: Answer) -> Sequence[Table]:
    """Show how it goes with each partner."""
    return (_table("Partners", ("partner", "state", "pending", "oldest"), answer["partners"]),)


def orders(answer: Answer) -> Sequence[Table]:
    """Show a list of orders."""
    columns = ("order", "reference", "state", "since", "placed at", "waiting for")
    return (_table("Orders", columns, answer["orders"]),)


def story(answer: Answer) -> Sequence[Table]:
    """Show where an order stands and how it came there."""
    order = {**answer["order"], "holds": answer["holds"], "anomalies": answer["anomalies"]}
    order["invoices"] = answer["invoices"]
    columns = ("order", "reference", "state", "since", "holds", "anomalies", "invoices")
    said = _words(answer["packing"])
    done = [{**each, "actor": person(each["actor"])} for each in answer["timeline"]]
    return (
        _table("Order", columns, [order]),
        *([Table("For whoever packs it", ("", "text"), said)] if said else []),
        _table("Timeline", ("at", "kind", "actor", "cause", "call", "seconds"), done),
    )


def _words(packing: Answer) -> list[tuple[str, str]]:
    """Return what whoever packs an order should read, and what it is."""
    said = [("gift message", packing["gift_message"] or "(none)")] if packing["is_gift"] else []
    return said + [("note", note) for note in packing["notes"]]


def history(answer: Answer) -> Sequence[Table]:
    """Show every event of an order with all that it says."""
    return (_table("History", ("version", "at", "kind", "data"), answer["timeline"]),)


def why(answer: Answer) -> Sequence[Table]:
    """Show what holds an order, why it was routed as it was, and what comes of what it waits for."""
    return [
        *_held(answer),
        *_routed(answer),
        *_expected(answer),
    ]


def _held(answer: Answer) -> Sequence[Table]:
    holds = [(cell(hold),) for hold in answer["holds"]]
    return [Table("Held", ("why",), holds)] if holds else []


def _expected(answer: Answer) -> Sequence[Table]:
    columns = ("sku", "warehouse", "units", "due", "purchase order")
    return [_table("Expected in", columns, answer["expected"])] if answer["expected"] else []


def _routed(answer: Answer) -> Sequence[Table]:
    return [
        Table(
            f"Routed at {cell(routing['at'])} by rules {cell(routing['rules'])}",
            ("warehouses", "rank", "why"),
            [
                *(
                    (cell(each["warehouses"]), cell(each["rank"]), cell(each["rejected"]) or "taken")
                    for each in routing["candidates"]
                ),
                *(("nobody", "", f"missing {cell(missing)}") for missing in routing["missing"]),
            ],
        )
        for routing in answer["routing"]
    ]


def picklists(answer: Answer) -> Sequence[Table]:
    """Show pick lists, each line in the order of the slots."""
    columns = ("fulfilment", "slot", "sku", "units", "picked", "missing")
    rows = [
        {**line, "fulfilment": each["fulfilment"]} for each in answer["picklists"] for line in each["lines"]
    ]
    said = [
        (cell(each["fulfilment"]), *words)
        for each in answer["picklists"]
        for words in (*(("held", cell(why)) for why in each["holds"]), *_words(each["packing"]))
    ]
    told = [Table("For whoever packs", ("fulfilment", "", "text"), said)] if said else []
    return (_table("Pick lists", columns, rows), *told)


def stock(answer: Answer) -> Sequence[Table]:
    """Show where the units of each SKU stand."""
    return (_table("Stock", STOCK_COLUMNS, answer["stock"]),)


def stock_everywhere(answer: Answer) -> Sequence[Table]:
    """Show where the units of a SKU stand, warehouse by warehouse."""
    return (_table("Stock", ("warehouse", *STOCK_COLUMNS), answer["stock"]),)


def warehouses(answer: Answer) -> Sequence[Table]:
    """Show the warehouses."""
    columns = ("warehouse", "is open", "reason", "priority", "available", "reserved", "picked", "quarantine")
    in_hand = ("expected", "fulfilments", "in hand max", "cap reason")
    return (_table("Warehouses", (*columns, *in_hand), answer["warehouses"]),)


def carriers(answer: Answer) -> Sequence[Table]:
    """Show what the carriers take."""
    columns = ("carrier", "service", "is open", "reason", "takes", "countries", "weight g max")
    return (_table("Carriers", columns, answer["carriers"]),)


def explained(answer: Answer) -> Sequence[Table]:
    """Show which movements make up a SKU's figures: they and what stood before add up to what stands."""
    return (
        _table("Stock", ("when", *ACCOUNTS), _then_and_now(answer)),
        _table("Movements", MOVED_COLUMNS, answer["movements"]),
    )


def explained_everywhere(answer: Answer) -> Sequence[Table]:
    """Show which movements make up a SKU's figures, warehouse by warehouse."""
    houses: Sequence[Answer] = answer["warehouses"]
    moved = [
        {**each, "warehouse": house["now"]["warehouse"]} for house in houses for each in house["movements"]
    ]
    stood = [row for house in houses for row in _then_and_now(house)]
    return (
        _table("Stock", ("warehouse", "when", *ACCOUNTS), stood),
        _table("Movements", ("warehouse", *MOVED_COLUMNS), moved),
    )


def _then_and_now(answer: Answer) -> Sequence[Answer]:
    return [{**answer["now"], "when": "now"}, {**answer["earlier"], "when": "before what is told"}]


def anomalies(answer: Answer) -> Sequence[Table]:
    """Show what a person should look at, the proposed mend, and who looks after it."""
    columns = ("raised at", "problem", "detail", "mend", "taken by", "taken at", "anomaly")
    rows = [{**each, "taken_by": person(each["taken_by"])} for each in answer["anomalies"]]
    return (_table("Anomalies", columns, rows),)


def changes(answer: Answer) -> Sequence[Table]:
    """Show who asked for what over the control socket, and what came of it."""
    rows = [
        {**each, "who": each["user"] or f"uid {each['uid']}", "tried": "tried" if each["dry_run"] else ""}
        for each in answer["changes"]
    ]
    columns = ("at", "who", "role", "pid", "path", "terms", "tried", "outcome", "why")
    return (_table("Changes", columns, rows),)


def outbox(answer: Answer) -> Sequence[Table]:
    """Show what partners have still to be told."""
    return (_table("Outbox", ("requested at", "partner", "document", "effect"), answer["outbox"]),)


def last_audit(answer: Answer) -> Sequence[Table]:
    """Show when the log was audited last, and what came of it."""
    return (_table("Last audit", ("at", "ok", "events", "oversold units", "findings"), [answer]),)


def audited(answer: Answer) -> Sequence[Table]:
    """Show what an audit came to: the first wrong event first."""
    figures = ("state", "chain", "events", "movements", "oversold units", "findings total")
    found = [_table("Findings", ("partition", "position", "what"), answer["findings"])]
    return (_table("Audit", figures, [answer]), *(found if answer["findings"] else ()))


def trial(answer: Answer) -> Sequence[Table]:
    """Show what would be recorded."""
    title = "Would record" if answer["would"] else "Would record nothing: it is so already"
    return (_table(title, ("kind", "data"), answer["would"]),)


def done(_answer: Answer) -> Sequence[Table]:
    """Show nothing: what was asked is so."""
    return ()

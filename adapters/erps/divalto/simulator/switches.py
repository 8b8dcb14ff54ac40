"""How this simulated site behaves where the public documentation is silent ([I] in the notes).

It owns no behaviour. Names that are inferred are turned by giving the simulator a `Spelling` of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

OPERATIONS: Mapping[str, int] = {"C": -1, "D": 1, "F": 1, "G": -1, "JI": 1, "II": -1}


@dataclass(slots=True)
class Switches:
    """The simulated site's habits.

    Attributes:
        expired_token: what a request under an expired token gets: HTTP 401, or 200 with `error` other than 0.
        token_seconds: how long a token lives.
        malformed_result: the inner JSON is broken as in the documentation's own sample.
        answers_number: the answer to a write names the piece that it made.
        delivered_header: an order whose lines have all moved on stays there closed (CE4 8), or is gone.
        remainder: a partial delivery leaves the rest in a new line, or in the same while what is delivered
            gets a new one.
        duplicate_check: `PcePiRefCtrFl` is honoured (10.6 and later).
        duplicate_columns: which columns that check looks at.
        not_latin1: characters outside Latin-1 are refused, or replaced by a question mark.
        too_long: a value longer than its column is refused, or cut.
        negative_stock: a delivery may take a depot below zero.
        price_added: what the site's own rules add to every price that comes in, such as an eco-contribution.
        price_per: for how many units the site states the prices that come in (PPAR), such as 100.
        opened: the site has opened the RecordSql dictionaries that connectors use; none is by default in
            Divalto.
        rows_max: no RecordSql answer has more rows, whatever was asked for.
        processes: so many requests are worked on at once; the others wait.
        cold_seconds: what the first request waits for its process to start.
        warm_seconds: what every other request waits.
        write_seconds: what a business action takes on top of that; it goes on when the caller has gone.
        closed: the nightly window: every business action gets IIS's 503.
        escaped_retour: SOAP's `retour` is HTML-escaped once more.
        declared, sent: the encoding that SOAP's answers declare, and the one that they are in.
        dies_before_removing: the task for files ends once between integrating a file and removing it.
        stock_of_all: INTERROGER_STOCK takes * for the article too.
        operations: its operation codes and which way each moves stock; a transfer (IO) is not simulated.
        decimal: what stands between units and decimals, in what comes in by REST and goes out.
        web_hook_good: what a web hook answers when it has taken what came.
        web_hook_refuses: how it says no: in its text under HTTP 200, or by the HTTP status as well.
        web_hook_lags: it answers before its program has run: see `WebHooks.run`.
    """

    expired_token: Literal["401", "error"] = "401"  # noqa: S105 - a status, no secret
    token_seconds: float = 45 * 60.0
    malformed_result: bool = False
    answers_number: bool = True
    delivered_header: Literal["closed", "gone"] = "closed"
    remainder: Literal["new_line", "same_line"] = "new_line"
    duplicate_check: bool = True
    duplicate_columns: tuple[str, ...] = ("PINOTIERS", "PIREF")
    not_latin1: Literal["refuse", "replace"] = "refuse"
    too_long: Literal["refuse", "cut"] = "refuse"
    negative_stock: bool = True
    price_added: Decimal = Decimal(0)
    price_per: Decimal = Decimal(1)
    opened: bool = True
    rows_max: int = 10_000
    processes: int = 4
    cold_seconds: float = 0.0
    warm_seconds: float = 0.0
    write_seconds: float = 0.0
    closed: bool = False
    escaped_retour: bool = False
    declared: str = "utf-8"
    sent: str = "utf-8"
    dies_before_removing: bool = False
    stock_of_all: bool = True
    operations: Mapping[str, int] = field(default_factory=lambda: OPERATIONS)
    decimal: Literal[".", ","] = "."
    web_hook_good: Literal["200", "0"] = "200"
    web_hook_refuses: Literal["text", "status"] = "text"
    web_hook_lags: bool = False

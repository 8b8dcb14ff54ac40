"""A Divalto Infinity to rehearse against: real HTTP, and a Python API for tests, demo and ERP users.

It owns one company file and the faults in front of it. Deterministic by seed, all in Trio.
"""

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import trio

from adapters.erps.divalto.files_settings import FileSettings
from adapters.erps.divalto.simulator.business import Business
from adapters.erps.divalto.simulator.custom import Custom
from adapters.erps.divalto.simulator.drop import Drop
from adapters.erps.divalto.simulator.historic import Historic
from adapters.erps.divalto.simulator.infinity import Infinity
from adapters.erps.divalto.simulator.processes import Processes
from adapters.erps.divalto.simulator.records import Records
from adapters.erps.divalto.simulator.requests import is_auth, is_read, is_write
from adapters.erps.divalto.simulator.rest import (
    BASE_PATH,
    UNAVAILABLE,
    Account,
    Rest,
)
from adapters.erps.divalto.simulator.seen import PieceSeen, seen
from adapters.erps.divalto.simulator.soap import SOAP_PATH, Soap
from adapters.erps.divalto.simulator.switches import Switches
from adapters.erps.divalto.simulator.tables import (
    NOTE,
    ORDER,
    Article,
    ArticleKey,
    Header,
    Movement,
    StockKey,
    Tables,
    ThirdParty,
)
from adapters.erps.divalto.simulator.views import Views
from adapters.erps.divalto.simulator.web_hooks import WebHooks
from adapters.erps.divalto.spelling import Spelling
from adapters.http.faults import Faults
from adapters.http.server import Drop as Lost
from adapters.http.server import Request, Response, serve

__all__ = ["Divalto", "PieceSeen", "Switches", "is_auth", "is_read", "is_write"]


ERP_USER = "MARTINE"
"""Who sits at the ERP's screens."""


class Divalto:
    """One simulated site. `await nursery.start(divalto.serve)` gives its address.

    Args:
        dos: the company file.
        seed: the only source of chance, for faults and tokens.
        depots, customers, suppliers: codes that exist from the start; the internal TIERS is there anyway.
        user, password, domain, env: the one service account.
        spelling, switches: what no documentation tells.
        now: what its own clock shows, by which pieces are stamped and tokens end.

    Attributes:
        faults: what goes wrong between here and the caller; see `adapters.http.faults`.
        web_hooks: the site's own web hooks; it has none from the start.
        switches: may be turned at any time.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the simulated site, most by default
        self,
        dos: str = "1",
        seed: int = 0,
        *,
        depots: Sequence[str] = (),
        customers: Sequence[str] = ("WEB",),
        suppliers: Sequence[str] = ("F0000001",),
        account: Account | None = None,
        spelling: Spelling | None = None,
        switches: Switches | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        rng = random.Random(seed)
        self.account = account or Account("wharfinger", "a password", "DOMAIN", "TEST")
        self.switches = switches or Switches()
        self._spelling = spelling = spelling or Spelling()
        self._tables = Tables(dos, lambda: f"{now():%Y%m%d%H%M%S}")
        self._tables.user = self.account.user
        self._business = Business(self._tables, self.switches, spelling)
        self.views = Views(self._tables, self.switches, spelling)
        records = Records(self._tables, self.views, self.switches, spelling)
        secret = rng.randbytes(32)
        infinity = Infinity(self._business, self.switches, spelling, dos)
        historic = Historic(
            self._tables, self._business, Custom(self._business, self.views), self.switches, spelling
        )
        self.web_hooks = WebHooks(infinity, self.switches)
        self._rest = Rest(
            self.account,
            infinity,
            historic,
            records,
            self.web_hooks,
            self.switches,
            spelling,
            secret=secret,
            now=now,
        )
        self._soap = Soap(infinity, historic, self.switches, spelling)
        self._processes = Processes(self.switches)
        self.faults = Faults(rng)
        self.faults.outage_answer = UNAVAILABLE
        self._tables.depots.update(depots)
        for tiers in customers:
            self.add_third_party("C", tiers)
        for tiers in suppliers:
            self.add_third_party("F", tiers)
        self.add_third_party("I", "I0000000")

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `started` hands out the address that belongs into the settings' `url`."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        address = f"http://{host}:{listeners[0].socket.getsockname()[1]}{BASE_PATH}"
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, self.handle, listeners)
            task_status.started(address)

    async def handle(self, request: Request) -> Response | Lost:
        """Answer a request, or fail to, as `faults` says."""
        return await self.faults.apply(request, self._answer)

    async def _answer(self, request: Request) -> Response:
        by_soap = request.path.lower().endswith(SOAP_PATH.lower())
        writes = self._soap.writes(request) if by_soap else is_write(request)
        async with self._processes.one(writes=writes):
            if not by_soap:
                return self._rest.answer(request)
            return UNAVAILABLE if self.switches.closed else self._soap.answer(request)

    # --- master data ---

    def add_article(
        self,
        ref: str,
        sref1: str = "",
        sref2: str = "",
        des: str = "",
        ean: str = "",
        *,
        price: Decimal = Decimal(0),
        stocked: bool = True,
        weight_kg: Decimal = Decimal(0),
    ) -> None:
        """Add an article, or a sub-reference to one; without `stocked` it is a service, such as a fee."""
        made = Article(ref, des or ref, ean, price, stocked, weight_kg=weight_kg)
        article = self._tables.articles.setdefault(ref, made)
        if sref1 or sref2:
            article.subs[sref1, sref2] = ean

    def close_article(self, ref: str, sref1: str = "", sref2: str = "") -> None:
        """Put an article's HSDT into the past, or end one of its sub-references."""
        if sref1 or sref2:
            self._tables.articles[ref].closed_subs.add((sref1, sref2))
        else:
            self._tables.articles[ref].closed = True

    def third_party(self, ticod: str, tiers: str) -> ThirdParty | None:
        """Return a customer, supplier or internal third party."""
        return self._tables.third_parties.get((ticod, tiers))

    def add_third_party(
        self, ticod: str, tiers: str, *, visa: bool = True, feu: int = 1, closed: bool = False
    ) -> None:
        """Add or change a customer (C), supplier (F) or internal third party (I)."""
        self._tables.third_parties[ticod, tiers] = ThirdParty(tiers, visa, feu, closed)

    def remove_third_party(self, ticod: str, tiers: str) -> None:
        """Remove a customer, supplier or internal third party, so that it is unknown."""
        del self._tables.third_parties[ticod, tiers]

    def add_depot(self, depot: str) -> None:
        """Add a depot."""
        self._tables.depots.add(depot)

    # --- stock ---

    def set_stock(
        self, ref: str, depot: str, units: int | Decimal, sref1: str = "", sref2: str = "", nature: str = "N"
    ) -> None:
        """Bring the stock of an article to `units` by an inventory movement."""
        if ref not in self._tables.articles:
            self.add_article(ref, sref1, sref2)
        key = StockKey(ArticleKey(ref, sref1, sref2), depot, nature)
        self._tables.move(key, Decimal(units) - self._tables.balances.get(key, Decimal(0)), "inventory")

    def stock(self, depot: str) -> dict[str, int]:
        """Return a depot's units of natures N and O by article: "REF", "REF/SREF1" or "REF/SREF1/SREF2"."""
        units: dict[str, Decimal] = {}
        for key, balance in self._tables.balances.items():
            if key.depot == depot and key.nature in ("N", "O"):
                units[str(key.article)] = units.get(str(key.article), Decimal(0)) + balance
        return {article: int(total) for article, total in units.items()}

    def movements(self) -> tuple[Movement, ...]:
        """Return every stock movement since the beginning, inventories included."""
        return tuple(self._tables.movements)

    # --- pieces ---

    def pieces(self, *, ticod: str | None = None, picod: int | None = None) -> tuple[PieceSeen, ...]:
        """Return the pieces of that kind and stage (None: any), the oldest first."""
        return tuple(
            seen(header)
            for header in self._tables.headers
            if ticod in (None, header.ticod) and picod in (None, header.picod)
        )

    def duplicates(self) -> tuple[str, ...]:
        """Return references that were written more than once.

        A reference counts once for its order and what ERP users made of that order; what is counted is what
        came in.
        """
        return tuple(
            reference for reference, times in self._business.written.items() if reference and times > 1
        )

    def drop(self, settings: FileSettings) -> Drop:
        """Return the site's task for files; run it in a nursery."""
        return Drop(self._business, self.views, self._spelling, self.switches, settings)

    # --- what ERP users do on their own ---

    def turn_into_delivery_note(self, reference: str) -> str:
        """Deliver all that is open of an order, as a user does at a screen; return the note's name."""
        return self._advance(reference, ORDER, NOTE)

    def invoice(self, reference: str) -> str:
        """Turn a delivery note into an invoice; return its name."""
        return self._advance(reference, NOTE, NOTE + 1)

    def close(self, reference: str) -> None:
        """Close an order without delivering it."""
        with self._as_user():
            self._business.close(self._header(reference, ORDER))

    def lock(self, reference: str) -> None:
        """Open the order with that reference in a screen: writes to it are refused until `unlock`."""
        self._business.locked.add(self._header(reference, ORDER).name)

    def unlock(self) -> None:
        """Close all screens."""
        self._business.locked.clear()

    # --- the service ---

    @property
    def authentications(self) -> int:
        """How often somebody has asked for a token."""
        return self._rest.authentications

    @property
    def most_at_once(self) -> int:
        """How many requests have been under way at once."""
        return self._processes.most_at_once

    @property
    def tokens(self) -> frozenset[str]:
        """The tokens that are good or were."""
        return self._rest.tokens

    def expire_tokens(self) -> None:
        """Make every token too old at once."""
        self._rest.expire_tokens()

    def expect(self, supplier: str, ref: str, depot: str, units: int, due: str = "") -> str:
        """Order units from a supplier, as a buyer does at a screen; return the purchase order's name."""
        header = {"TICOD": "F", "PICOD": "2", "TIERS": supplier, "DEPO": depot, "OP": "F", "DELDEMDT": due}
        line = {"REF": ref, self._spelling.quantity: str(units)}
        duty = {self._spelling.duty: self._spelling.duty_create}
        with self._as_user():
            return self._business.integrate({"ipar": duty, "ient": header, "imouvtb": [line]}).name

    def count(self, ref: str, depot: str, units: int) -> str:
        """Correct the stock by so many units, as a user does by an internal piece; return its name."""
        return self._book("I", "I0000000", "JI" if units > 0 else "II", ref, depot, abs(units))

    def sell(self, ref: str, depot: str, units: int, customer: str = "WEB") -> str:
        """Deliver units over the counter, which no shop of ours knows of; return the note's name."""
        return self._book("C", customer, "C", ref, depot, units)

    def delete(self, reference: str) -> None:
        """Delete every piece of that reference; what it moved comes back."""
        for header in [each for each in self._tables.headers if each.pinotiers == reference]:
            for line in header.lines if header.picod >= NOTE else ():
                key = StockKey(line.article, line.depo)
                self._tables.move(key, -self.switches.operations[line.op] * line.units, header.name)
            self._tables.remove_header(header)

    def _book(self, ticod: str, tiers: str, op: str, ref: str, depot: str, units: int) -> str:
        header = {"TICOD": ticod, "PICOD": str(NOTE), "TIERS": tiers, "DEPO": depot, "OP": op}
        line = {"REF": ref, self._spelling.quantity: str(units)}
        duty = {self._spelling.duty: self._spelling.duty_create}
        with self._as_user():
            return self._business.integrate({"ipar": duty, "ient": header, "imouvtb": [line]}).name

    @contextmanager
    def _as_user(self) -> Generator[None]:
        """Let what is done be a person's."""
        self._tables.user = ERP_USER
        try:
            yield
        finally:
            self._tables.user = self.account.user

    def _advance(self, reference: str, stage: int, target: int) -> str:
        piece = self._header(reference, stage)
        taken = [(line, line.units, line.depo) for line in piece.open_lines]
        with self._as_user():
            return self._business.advance(piece, target, taken).name

    def _header(self, reference: str, stage: int) -> Header:
        for header in self._tables.headers:
            if header.pinotiers == reference and header.picod == stage:
                return header
        raise LookupError(reference)

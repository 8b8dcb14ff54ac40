"""Tries a site's profile step by step, reading only, and says what fails and what to do about it.

It owns the order of the steps and their hints; it writes nothing to Divalto and prints nothing. Into the
folder of a site that takes files it puts a small file of its own, to see that it may.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from actors.errors import PartnerError
from adapters.erps.divalto.books import Books
from adapters.erps.divalto.checking import problems
from adapters.erps.divalto.envelope import OPERATION
from adapters.erps.divalto.flows import Flows
from adapters.erps.divalto.folders import Folders
from adapters.erps.divalto.pieces import ACTIVE, CUSTOMER, INTERNAL, ORDER, SUPPLIER, Piece
from adapters.erps.divalto.plugin import DivaltoSettings, flow_of
from adapters.erps.divalto.reading import Reader
from adapters.erps.divalto.rest import dictionary_of
from adapters.erps.divalto.spelling import Dictionary
from adapters.erps.divalto.transport import Query, Table
from adapters.trials import Finding, warning, well, wrong

NEVER_A_REFERENCE = "wharfinger-trial"
"""No order of ours has such an id: they end with the shop's number."""

_NO_PIECE = Piece(CUSTOMER, ORDER, "", "", "0", ACTIVE, NEVER_A_REFERENCE)

Attempt = Callable[[str], Awaitable[Finding]]


async def try_profile(
    name: str, settings: DivaltoSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> tuple[Finding, ...]:
    """Try settings, ways in, look-ups, depots and books; end where nothing further can work.

    Args:
        name: the ERP as the settings name it.
        settings: the site's profile.
        now: what time it is.
    """
    found = problems(settings)
    if found:
        return tuple(wrong("settings", f"{each.key} {each.why}", "mend the settings") for each in found)
    system = f"erp {name}"
    flows = Flows(system, settings, now)
    try:
        return tuple(await _Trial(system, settings, flows, now).run())
    finally:
        await flows.aclose()


class _Trial:
    """The steps of one profile, as they are tried."""

    def __init__(
        self, system: str, settings: DivaltoSettings, flows: Flows, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._flows = flows
        self._reader = Reader(system, settings, flows)
        self._books = Books(settings, self._reader, now)
        self._steps = [well("settings", "complete")]

    async def run(self) -> list[Finding]:
        """Try everything, unless the site cannot be reached at all."""
        if self._flows.soap is not None and not await self._try("WSDL", self._wsdl, "look at soap.url"):
            return self._steps
        if self._flows.web_hook is not None:
            await self._try("web hook", self._web_hook, "look at url and at webhook.code")
        if self._flows.folders is not None and not await self._of_folders(self._flows.folders):
            return self._steps
        if not await self._try("account and pieces", self._by_reference, self._hint("pieces")):
            return self._steps
        await self._try("notes of an order", self._by_beginning, self._hint("notes"))
        await self._try("lines", self._of_lines, self._hint("lines"))
        of_goods = self._hint("pieces", self._settings.supplier)
        await self._try("receptions and counts", self._of_goods, of_goods, needed=False)
        for warehouse, depot in self._settings.depots.items():

            async def of_depot(step: str, depot: str = depot) -> Finding:
                rows = await self._reader.stock(depot)
                sellable = sum(row.nature in self._settings.natures for row in rows)
                seen = f"{len(rows)} rows in depot {depot}, {sellable} of sellable nature"
                if not rows:
                    return warning(step, f"nothing lies in depot {depot}, or there is none", "look at depots")
                if not sellable:
                    return warning(step, seen, "look at natures")
                return well(step, seen)

            await self._try(f"stock of {warehouse}", of_depot, self._hint("stock"))
        each = self._settings.customer_policy == "each"
        await self._try("customer", self._of_customer, self._hint("customers"), needed=each)
        await self._try("articles", self._of_articles, self._hint("articles"), needed=False)
        await self._try("what is expected", self._of_expected, self._hint("expected"), needed=False)
        return self._steps

    async def _try(self, name: str, attempt: Attempt, hint: str, *, needed: bool = True) -> bool:
        """Return whether it went well; what is not needed is a warning, since orders and stock still flow."""
        try:
            self._steps.append(await attempt(name))
        except PartnerError as error:
            self._steps.append((wrong if needed else warning)(name, str(error), hint))
            return False
        return self._steps[-1].judgement != "wrong"

    async def _wsdl(self, step: str) -> Finding:
        soap = self._flows.soap
        names = () if soap is None else await soap.operations()
        if OPERATION not in names:
            return wrong(step, f"it describes {', '.join(names) or 'nothing'}", "look at soap.url")
        return well(step, f"{OPERATION} is there")

    async def _of_folders(self, folders: Folders) -> bool:
        """Try each folder that the profile names; the first shows whether their server is to be spoken to."""
        files = self._settings.files
        where = "on the SFTP server" if files.sftp.host else "on this machine"

        async def written(step: str) -> Finding:
            await folders.clock(files.inbox)
            return well(step, f"files can be written {where}")

        async def listed(step: str) -> Finding:
            folder = files.rejected if step.endswith("rejects") else files.exports
            return well(step, f"{len(await folders.names(folder))} files {where}")

        tries: list[tuple[str, str, Attempt]] = []
        if self._settings.flows.write == "files":
            tries = [("inbox", files.inbox, written), ("rejects", files.rejected, listed)]
        tries.append(("exports", files.exports, listed))
        for name, path, attempt in tries:
            hint = f"look at files.{'rejected' if name == 'rejects' else name}"
            hint += " and at files.sftp" if files.sftp.host else ""
            if path and not await self._try(f"folder of {name}", attempt, hint):
                return False
        return True

    async def _web_hook(self, step: str) -> Finding:
        hook = self._flows.web_hook
        if hook is not None and await hook.try_out():
            return well(step, "it takes a call under its code")
        seen = "the service is there; whether its code is right shows with the first piece"
        return warning(step, seen, "give webhook.trial if the hook's program has a call that does nothing")

    async def _by_reference(self, step: str) -> Finding:
        await self._reader.pieces(CUSTOMER, self._tiers, NEVER_A_REFERENCE)
        return well(step, "pieces are found by their reference")

    async def _by_beginning(self, step: str) -> Finding:
        if self._way("notes") == "rest" and not self._condition("notes", self._tiers)[1]:
            return well(step, "not asked for: right where delivered orders keep their header")
        await self._reader.pieces_beginning(CUSTOMER, self._tiers, f"{NEVER_A_REFERENCE}.")
        return well(step, "pieces are found by the beginning of PINOTIERS")

    async def _of_goods(self, step: str) -> Finding:
        await self._reader.pieces(SUPPLIER, self._settings.supplier, NEVER_A_REFERENCE)
        await self._reader.pieces(INTERNAL, self._settings.internal, NEVER_A_REFERENCE)
        return well(step, "they are found by their reference too")

    async def _of_lines(self, step: str) -> Finding:
        await self._reader.open_lines(_NO_PIECE)
        return well(step, "lines are found by their piece")

    async def _of_customer(self, step: str) -> Finding:
        customer = self._settings.customer
        flags = await self._books.customer(customer)
        if flags is None:
            return wrong(step, f"{customer} is not there", "make it in Divalto, or look at customer")
        if not flags.usable or flags.blocked or flags.closed:
            seen = f"{customer} has no visa, is blocked or closed"
            return wrong(step, seen, "mend it in Divalto: orders would be refused")
        return well(step, f"{customer} may stand on a piece")

    async def _of_articles(self, step: str) -> Finding:
        articles = await self._books.articles()
        return well(step, f"{len(articles)} articles, {sum(each.closed for each in articles)} of them closed")

    async def _of_expected(self, step: str) -> Finding:
        return well(step, f"{len(await self._books.expected())} open lines of purchase orders")

    @property
    def _tiers(self) -> str:
        """Under whom orders are looked up: "" for anybody, where each person is a customer."""
        return "" if self._settings.customer_policy == "each" else self._settings.customer

    def _condition(self, table: Table, tiers: str) -> tuple[Dictionary, str]:
        key = {"TIERS": tiers} if tiers else {}
        return dictionary_of(Query(table, key, ()), self._settings.spelling)

    def _way(self, table: Table) -> str:
        return flow_of(table, self._settings.flows)

    def _hint(self, table: Table, tiers: str | None = None) -> str:
        asked = "pieces" if table == "notes" else table
        match self._way(table):
            case "rest":
                dictionary, where = self._condition(table, self._tiers if tiers is None else tiers)
                hint = f"the site has to open {dictionary.dhoq} with RecordSql {dictionary.recordsql}"
                return f"look at url and account; {hint} and its condition {where}"
            case "files":
                return f"look at files.exports, which has to hold a young {asked}.csv, and at files.inbox"
            case _:
                return f"look at actions.{asked}: its action, template and paths"

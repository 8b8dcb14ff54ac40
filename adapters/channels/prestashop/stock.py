"""The shop's sellable stock: which row stands for which SKU, reading it, and setting it in batches.

`quantity` is what may still be sold: the shop lowers it as it sells. A product with combinations is never
written itself, only its combinations are; the row to write is the one that the product's own association
names.
"""

from collections.abc import Iterable, Mapping, Sequence

import structlog
import trio

from actors.errors import OutcomeUnknownError, PartnerError, RefusedError, UnreachableError
from actors.ports.shop import Pushed
from adapters.channels.prestashop.catalogue import Catalogue, catalogue_of
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.fields import reference_to, whole
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.writes import stock_change

PAGE = 1000
PRODUCT = "[id,reference,ean13,stock_availables[id,id_product_attribute]]"
LIVE = "[id,stock_availables[id,id_product_attribute]]"
COMBINATION = "[id,id_product,reference,ean13]"

UNITS_MAX = 2**31 - 1
"""The shop's column; more is refused with code 85."""

LANES = 2
"""Batches under way at once: a shop takes more from two connections than from one, and has customers too."""

REFUSED_IN_A_ROW_MAX = 5
"""A shop that refuses so many rows one after another refuses all of them: each is a request of its own."""

ABSENT = -(2**31) - 1
"""Stands for the figure of a row that the shop does not show; none of its figures is that low."""

log = structlog.get_logger()


class Stock:
    """Reads and sets one shop's sellable stock.

    Attributes:
        problems: what the last reading of the catalogue found; see `Catalogue`.
    """

    def __init__(self, webservice: Webservice, settings: PrestaShopSettings, name: str) -> None:
        self._webservice = webservice
        self._batch = settings.stock_batch
        self._settle_seconds = settings.settle_seconds
        self._sku_from = settings.sku_from
        self._name = name
        self._catalogue: Catalogue | None = None
        self._rows_seconds = settings.rows_seconds
        self._asked_at: dict[int, float] = {}
        self._doubtful: frozenset[int] = frozenset()
        # A daemon before this one may have died over a write that is still under way in the shop.
        self._settled_at = trio.current_time() + settings.settle_seconds

    @property
    def problems(self) -> Sequence[str]:
        """What a person should look at."""
        return self._catalogue.problems if self._catalogue is not None else ()

    async def row_of(self, sku: str) -> int | None:
        """Return the id of the stock row of a SKU, None where the shop does not know it."""
        catalogue = self._catalogue or await self._read_catalogue()
        return catalogue.rows.get(sku)

    async def read(self) -> Mapping[str, int]:
        """Return the sellable quantity of every SKU."""
        await trio.sleep_until(self._settled_at)
        catalogue = await self._read_catalogue()
        rows = await self._webservice.every_row("stock_availables", "[id,quantity]", PAGE)
        units = {reference_to(row, "id"): whole(row, "quantity") for row in rows}
        return {sku: units[row_id] for sku, row_id in catalogue.rows.items() if row_id in units}

    async def push(self, levels: Mapping[str, int]) -> Pushed:
        """Set the sellable quantity of these SKUs where it differs, and read back what the shop shows.

        Raises:
            UnreachableError: an answer was lost and not all are shown, or the shop stopped taking any.
            RefusedError: the shop takes no levels at all.
        """
        await trio.sleep_until(self._settled_at)
        catalogue = self._catalogue or await self._read_catalogue()
        if any(sku not in catalogue.rows for sku in levels):
            catalogue = await self._read_catalogue()
        await self._renew(catalogue, levels)
        sku_of = {catalogue.rows[sku]: sku for sku in levels if sku in catalogue.rows}
        wanted = {row: max(0, min(levels[sku], UNITS_MAX)) for row, sku in sku_of.items()}
        pushing = _Pushing(self._webservice, self._batch, self._settle_seconds)
        await pushing.run(
            _lanes(wanted, {row: catalogue.places[sku][0] for row, sku in sku_of.items()}, self._batch)
        )
        refused, unsettled = await self._read_back(pushing, wanted)
        if refused:
            self._catalogue = None  # the article may have been made anew: the next push reads it all
        return Pushed(
            unknown=tuple(sku for sku in levels if sku not in catalogue.rows),
            refused={sku_of[row]: why for row, why in refused.items()},
            unsettled=tuple(sku_of[row] for row in unsettled),
        )

    async def _read_catalogue(self) -> Catalogue:
        products = await self._webservice.every_row("products", PRODUCT, PAGE)
        combinations = await self._webservice.every_row("combinations", COMBINATION, PAGE)
        catalogue = catalogue_of(products, combinations, self._sku_from)
        if self._catalogue is None or catalogue.problems != self._catalogue.problems:
            for problem in catalogue.problems:
                log.warning("prestashop.catalogue", channel=self._name, problem=problem)
        self._catalogue = catalogue
        self._asked_at = dict.fromkeys(catalogue.products_of(catalogue.rows), trio.current_time())
        return catalogue

    async def _renew(self, catalogue: Catalogue, skus: Iterable[str]) -> None:
        """Ask again which rows are live, where that was asked a while ago: sharing stock replaces them."""
        now = trio.current_time()
        stale = [
            product
            for product in catalogue.products_of(skus)
            if now > self._asked_at.get(product, 0) + self._rows_seconds
        ]
        if stale:
            catalogue.renew(skus, await self._webservice.rows_by_ids("products", LIVE, stale))
            self._asked_at.update(dict.fromkeys(stale, now))

    async def _read_back(
        self, pushing: "_Pushing", wanted: Mapping[int, int]
    ) -> tuple[dict[int, str], list[int]]:
        """Return why the shop refuses rows, and the rows that are not as asked for another reason.

        A row that is no longer live says yes and keeps its figure; so does one from which as many were sold
        at once as were added. The second time it is no coincidence.
        """
        after = await shown_by(self._webservice, pushing.before)
        refused = dict(pushing.refused)
        differing = [row for row in pushing.before if row not in refused and after.get(row) != wanted[row]]
        unmoved = {row for row in differing if after.get(row, ABSENT) == pushing.before[row]}
        dead = unmoved & self._doubtful
        self._doubtful = frozenset(unmoved - dead)
        refused.update(dict.fromkeys(dead, "the shop says yes and goes on showing another figure"))
        return refused, [row for row in differing if row not in refused]


def _lanes(wanted: Mapping[int, int], products: Mapping[int, int], batch: int) -> list[dict[int, int]]:
    """Part rows over the lanes; those of one product stay together, since each write sums up its product."""
    rows = sorted(wanted, key=lambda row: (products.get(row, 0), row))
    count = LANES if len(rows) > batch else 1
    place = {product: number for number, product in enumerate(dict.fromkeys(map(products.get, rows)))}
    lanes: list[dict[int, int]] = [{} for _ in range(count)]
    for row in rows:
        lanes[place[products.get(row)] % count][row] = wanted[row]
    return [lane for lane in lanes if lane]


async def shown_by(webservice: Webservice, ids: Iterable[int]) -> dict[int, int]:
    """Return what the shop shows in these stock rows."""
    rows = await webservice.rows_by_ids("stock_availables", "[id,quantity]", ids)
    return {reference_to(row, "id"): whole(row, "quantity") for row in rows}


class _Pushing:
    """One push under way.

    Attributes:
        before: what rows showed before they were written, of those that differed from what is wanted.
        refused: why the shop does not take rows.
    """

    def __init__(self, webservice: Webservice, batch: int, settle_seconds: float) -> None:
        self.before: dict[int, int] = {}
        self.refused: dict[int, str] = {}
        self._webservice = webservice
        self._batch = batch
        self._settle_seconds = settle_seconds
        self._refused_in_a_row = 0
        self._failure: PartnerError | None = None

    async def run(self, lanes: Iterable[Mapping[int, int]]) -> None:
        """Set the rows of each lane, one batch after another; lanes side by side.

        Raises:
            PartnerError: what a lane met; the others have ended the batch that was in hand, and no later one.
        """
        async with trio.open_nursery() as nursery:
            for lane in lanes:
                nursery.start_soon(self._set_lane, lane)
        if self._failure is not None:
            raise self._failure

    async def _set_lane(self, wanted: Mapping[int, int]) -> None:
        ids = list(wanted)
        try:
            for start in range(0, len(ids), self._batch):
                if self._failure is not None:
                    return
                await self._set_batch({row: wanted[row] for row in ids[start : start + self._batch]})
        except PartnerError as error:
            self._failure = self._failure or error

    async def _set_batch(self, wanted: Mapping[int, int]) -> None:
        """Look, and write what differs right after it, so that hardly anything can be sold in between."""
        shown = await shown_by(self._webservice, wanted)
        before = {row: shown.get(row, ABSENT) for row in wanted if shown.get(row) != wanted[row]}
        self.before |= before
        if before:
            try:
                await self._write("/api/stock_availables", {row: wanted[row] for row in before})
            except RefusedError:
                await self._set_singly(wanted, before)

    async def _set_singly(self, wanted: Mapping[int, int], before: Mapping[int, int]) -> None:
        """Write a refused batch row by row: those before the wrong one are written, it and the rest are not.

        A row that moved otherwise is left alone: the shop has sold from it.
        """
        shown = await shown_by(self._webservice, before)
        for row, units in before.items():
            if shown.get(row, ABSENT) != units:
                continue
            try:
                await self._write(f"/api/stock_availables/{row}", {row: wanted[row]})
            except RefusedError as error:
                self.refused[row] = error.why
                self._refused_in_a_row += 1
                if self._refused_in_a_row >= REFUSED_IN_A_ROW_MAX:
                    raise
            else:
                self._refused_in_a_row = 0

    async def _write(self, path: str, wanted: Mapping[int, int]) -> None:
        try:
            await self._webservice.write("PATCH", path, stock_change(wanted))
        except OutcomeUnknownError as error:
            await self._settle(wanted, error)

    async def _settle(self, wanted: Mapping[int, int], error: OutcomeUnknownError) -> None:
        """Return when the shop shows what an unanswered write asked for.

        A row that differs is not written again: the shop may have sold a unit since, and would lose that.
        """
        # Not before the write can have ended: it would overwrite what is pushed after it.
        await trio.sleep(self._settle_seconds)
        shown = await shown_by(self._webservice, wanted)
        differing = [row for row, units in wanted.items() if shown.get(row) != units]
        if differing:
            why = f"{len(differing)} of {len(wanted)} rows are not as asked"
            raise UnreachableError(error.system, error.doing, why) from error

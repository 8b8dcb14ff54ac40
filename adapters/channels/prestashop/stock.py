"""The shop's sellable stock: which row stands for which SKU, reading it, and setting it in batches.

`quantity` is what may still be sold: the shop lowers it as it sells. A product with combinations is never
written itself, only its combinations are; the row to write is the one that the product's own association
names.
"""

from collections.abc import Iterable, Mapping, Sequence

import structlog
import trio

from actors.errors import OutcomeUnknownError, RefusedError, UnreachableError
from adapters.channels.prestashop.client import Webservice
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.wire import Row, parts, reference_to, stock_change, text, whole

PAGE = 1000
PRODUCT = "[id,reference,stock_availables[id,id_product_attribute]]"
COMBINATION = "[id,id_product,reference]"

UNITS_MAX = 2**31 - 1
"""The shop's column; more is refused with code 85."""

PROBLEMS_MAX = 1000
"""Problems kept for a person to read; a shop with more of them needs another look first."""

log = structlog.get_logger()


class Catalogue:
    """Which stock row stands for which SKU.

    Attributes:
        rows: stock row id by SKU.
        problems: what a person should look at: duplicates (the lowest id wins), articles without a reference
            or row.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.problems: list[str] = []

    def add(self, sku: str, row_id: int | None, what: str) -> None:
        """Take in one article; articles come with their ids rising."""
        if not sku:
            self._note(f"{what} has no reference")
        elif row_id is None:
            self._note(f"{what} has no stock row")
        elif sku in self.rows:
            self._note(f"{what} has reference {sku} as well; the first one counts")
        else:
            self.rows[sku] = row_id

    def _note(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


def catalogue_of(products: Iterable[Row], combinations: Iterable[Row]) -> Catalogue:
    """Return the catalogue of these rows, both with their ids rising. Pure."""
    of_product: dict[int, list[Row]] = {}
    for combination in combinations:
        of_product.setdefault(reference_to(combination, "id_product"), []).append(combination)
    catalogue = Catalogue()
    for product in products:
        product_id = reference_to(product, "id")
        rows = {
            reference_to(part, "id_product_attribute"): reference_to(part, "id")
            for part in parts(product, "stock_availables")
        }
        own = of_product.get(product_id, [])
        for combination in own:
            combination_id = reference_to(combination, "id")
            what = f"combination {combination_id} of product {product_id}"
            catalogue.add(text(combination, "reference"), rows.get(combination_id), what)
        if not own:
            catalogue.add(text(product, "reference"), rows.get(0), f"product {product_id}")
    return catalogue


class Stock:
    """Reads and sets one shop's sellable stock.

    Attributes:
        problems: what the last reading of the catalogue found; see `Catalogue`.
    """

    def __init__(self, webservice: Webservice, settings: PrestaShopSettings, name: str) -> None:
        self._webservice = webservice
        self._batch = settings.stock_batch
        self._settle_seconds = settings.settle_seconds
        self._name = name
        self._catalogue: Catalogue | None = None
        self._doubtful: set[int] = set()

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
        catalogue = await self._read_catalogue()
        rows = await self._webservice.every_row("stock_availables", "[id,quantity]", PAGE)
        units = {reference_to(row, "id"): whole(row, "quantity") for row in rows}
        return {sku: units[row_id] for sku, row_id in catalogue.rows.items() if row_id in units}

    async def push(self, levels: Mapping[str, int]) -> Sequence[str]:
        """Set the sellable quantity of these SKUs where it differs; return those that the shop does not know.

        Raises:
            UnreachableError: not all were set, or an answer was lost and not all are shown. The levels may be
                stale by now: make new ones and push again.
            RefusedError: the shop refuses some rows; all others are set.
        """
        catalogue = self._catalogue or await self._read_catalogue()
        if any(sku not in catalogue.rows for sku in levels):
            catalogue = await self._read_catalogue()
        unknown = [sku for sku in levels if sku not in catalogue.rows]
        wanted = {
            catalogue.rows[sku]: max(0, min(units, UNITS_MAX))
            for sku, units in levels.items()
            if sku in catalogue.rows
        }
        refused = await self._set(wanted)
        if refused:
            # The row may have been replaced (stock shared since): the next push reads the catalogue anew.
            self._catalogue = None
            doing = f"set {len(refused)} of {len(wanted)} stock rows"
            raise RefusedError(self._webservice.system, doing, f"rows {', '.join(map(str, refused[:20]))}")
        return unknown

    async def _read_catalogue(self) -> Catalogue:
        products = await self._webservice.every_row("products", PRODUCT, PAGE)
        combinations = await self._webservice.every_row("combinations", COMBINATION, PAGE)
        catalogue = catalogue_of(products, combinations)
        if self._catalogue is None or catalogue.problems != self._catalogue.problems:
            for problem in catalogue.problems:
                log.warning("prestashop.catalogue", channel=self._name, problem=problem)
        self._catalogue = catalogue
        return catalogue

    async def _shown(self, ids: Iterable[int]) -> dict[int, int]:
        rows = await self._webservice.rows_by_ids("stock_availables", "[id,quantity]", ids)
        return {reference_to(row, "id"): whole(row, "quantity") for row in rows}

    async def _set(self, wanted: Mapping[int, int]) -> list[int]:
        """Set the rows that differ, batch after batch; return those that the shop does not take."""
        before = await self._shown(wanted)
        different = {row: wanted[row] for row in sorted(wanted) if before.get(row) != wanted[row]}
        refused: list[int] = []
        ids = list(different)
        for start in range(0, len(ids), self._batch):
            batch = ids[start : start + self._batch]
            refused += await self._set_batch({row: different[row] for row in batch})
        after = await self._shown(different)
        # A row that is no longer live says yes and keeps its figure; one that moved was sold from.
        unmoved = {
            row
            for row, units in different.items()
            if row not in refused and after.get(row) != units and after.get(row) == before.get(row)
        }
        dead, self._doubtful = unmoved & self._doubtful, unmoved - self._doubtful
        if self._doubtful:
            why = f"{len(self._doubtful)} rows did not move, or were sold from at once"
            raise UnreachableError(self._webservice.system, "set stock rows", why)
        return [*refused, *sorted(dead)]

    async def _set_batch(self, wanted: Mapping[int, int]) -> list[int]:
        try:
            await self._webservice.write("PATCH", "/api/stock_availables", stock_change(wanted))
        except RefusedError:
            # Those before the wrong row are written, it and those after it are not.
            return await self._set_singly(wanted)
        except OutcomeUnknownError as error:
            await self._settle(wanted, error)
        return []

    async def _set_singly(self, wanted: Mapping[int, int]) -> list[int]:
        shown = await self._shown(wanted)
        refused: list[int] = []
        for row, units in wanted.items():
            if shown.get(row) == units:
                continue
            try:
                path = f"/api/stock_availables/{row}"
                await self._webservice.write("PATCH", path, stock_change({row: units}))
            except RefusedError:
                refused.append(row)
            except OutcomeUnknownError as error:
                await self._settle({row: units}, error)
        return refused

    async def _settle(self, wanted: Mapping[int, int], error: OutcomeUnknownError) -> None:
        """Return when the shop shows what an unanswered write asked for.

        A row that differs is not written again: the shop may have sold a unit since, and would lose that.
        """
        # Not before the write can have ended: it would overwrite what is pushed after it.
        await trio.sleep(self._settle_seconds)
        shown = await self._shown(wanted)
        differing = [row for row, units in wanted.items() if shown.get(row) != units]
        if differing:
            why = f"{len(differing)} of {len(wanted)} rows are not as asked"
            raise UnreachableError(error.system, error.doing, why) from error

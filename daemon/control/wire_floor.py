"""What the control socket answers about a warehouse's floor: what is to be picked, and where units stand."""

from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from daemon.control.wire_orders import PackingTold


class PickLine(Struct, frozen=True):
    """A line of a pick list; what is left to pick is `units` less `picked` less `missing`."""

    slot: str
    sku: str
    units: int
    picked: int
    missing: int = 0


class PickList(Struct, frozen=True):
    """What the floor is to do for one fulfilment: its lines along the slots, and words to its packer.

    `holds` says why the order is held, if it is: what is packed of it gets no label until it is released.
    """

    fulfilment: str
    order: str
    lines: tuple[PickLine, ...]
    packing: PackingTold = PackingTold()
    holds: tuple[str, ...] = ()


class PickLists(Struct, frozen=True):
    """The open pick lists of a warehouse, the first promised first."""

    picklists: tuple[PickList, ...]


class StockLevel(Struct, frozen=True):
    """Where the units of a SKU stand in a warehouse.

    `expected` are those that suppliers still owe by the ERP's purchase orders, `due` is the first date of
    them, null where none was named.
    """

    warehouse: str
    sku: str
    slot: str
    available: int
    reserved: int
    picked: int
    quarantine: int
    expected: int = 0
    due: date | None = None


class StockLevels(Struct, frozen=True):
    """The stock of a warehouse by SKU, or of a SKU by warehouse."""

    stock: tuple[StockLevel, ...]


class MovementTold(Struct, frozen=True):
    """So many units from one account to another; `kind` is the event that moved them, `about` for what."""

    at: datetime
    kind: str
    about: str
    source: str
    target: str
    units: int


class StockExplained(Struct, frozen=True):
    """Which movements make up a SKU's figures, the newest first.

    `earlier` are the figures before the oldest movement told: with all that is told they add up to `now`.
    """

    now: StockLevel
    earlier: StockLevel
    movements: tuple[MovementTold, ...]


class StockExplanations(Struct, frozen=True):
    """Which movements make up a SKU's figures in each warehouse that knows it, by the warehouse's name."""

    warehouses: tuple[StockExplained, ...]


LabelFormat = Literal["pdf", "zpl", "other"]


class Label(Struct, frozen=True):
    """A parcel's label to be printed: its tracking number, and the carrier's pages in base64."""

    parcel: str
    tracking: str
    format: LabelFormat
    pages: bytes

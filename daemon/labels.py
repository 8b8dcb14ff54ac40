"""Where a parcel's label is found again, to be printed: its pages lie beside the log.

It reads and buys nothing: a label that is not there yet is on its way, or before a person. For a held order
none is bought, and one that was stays here, since a parcel with a label is a parcel that leaves.
"""

from collections.abc import Sequence

from actors.carrier import order_of
from actors.domain.order_events import FulfilmentReady, ParcelLabelled
from actors.order import stream_of
from actors.ports.journal import Journal, Recorded
from daemon.control.service import NOT_FOUND, Refused
from daemon.control.wire_floor import Label, LabelFormat
from daemon.order_asking import folded, told_holds


async def find_label(journal: Journal, parcel: str) -> Label:
    """Return a parcel's label, the last one that was bought for it.

    Raises:
        Refused: there is no such parcel, it has no label (yet, or any more), or its order is held.
    """
    order = order_of(parcel)
    recorded = await journal.read(stream_of(order))
    bought = [each.event for each in recorded if isinstance(each.event, ParcelLabelled)]
    label = next((each for each in reversed(bought) if each.parcel == parcel), None)
    if label is None and parcel not in (packed := _packed(recorded)):
        raise _no_parcel(parcel, order, packed if recorded else None)
    if holds := told_holds(folded(recorded)):
        raise Refused(f"{order} is held and must not leave ({'; '.join(holds)})")
    if label is None:
        raise Refused(f"{parcel} has no label yet: wharfctl order show {order} tells what it waits for")
    pages = await journal.beside(label.label.id)
    if pages is None:
        raise Refused(f"the label of {parcel} was erased, as its customer was forgotten", NOT_FOUND)
    return Label(parcel, label.tracking, _format(pages), pages)


def _packed(recorded: Sequence[Recorded]) -> Sequence[str]:
    return [
        each.parcel
        for one in recorded
        if isinstance(one.event, FulfilmentReady)
        for each in one.event.parcels
    ]


def _no_parcel(parcel: str, order: str, packed: Sequence[str] | None) -> Refused:
    if packed is None:
        return Refused(f"there is no order {order}, so no parcel {parcel}", NOT_FOUND)
    return Refused(f"{order} has no parcel {parcel}: {', '.join(packed) or 'none is packed'}", NOT_FOUND)


def _format(pages: bytes) -> LabelFormat:
    """Tell a page description by how it begins; a printer has to know which one it is sent."""
    if pages.startswith(b"%PDF"):
        return "pdf"
    return "zpl" if pages.lstrip().startswith(b"^XA") else "other"

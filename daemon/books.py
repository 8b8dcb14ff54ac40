"""Has the shops' figures compared with the ledger's, and tells what was found."""

from actors.channel import Channel
from actors.domain.reconciliation import Difference, detail, mend
from actors.errors import PartnerError
from actors.system import System
from daemon.control.service import NOT_FOUND, Refused
from daemon.control.wire import ChannelReconciled, DifferenceTold

UNAVAILABLE = 503


async def reconciled(system: System, channel: str | None) -> list[ChannelReconciled]:
    """Read what one shop shows, or all that show stock of their own, and return what differs and why.

    Raises:
        Refused: there is no such channel, it shows another's stock, or its shop does not answer.
    """
    if channel is not None and channel not in system.shops:
        raise Refused(f"there is no channel {channel}", NOT_FOUND)
    asked = {name: each for name, each in system.shops.items() if channel in (None, name)}
    if channel is not None and not asked[channel].shows_stock:
        raise Refused(f"{channel} shows the stock of another channel: ask for that one")
    return [await _one(name, each) for name, each in asked.items() if each.shows_stock]


async def _one(name: str, channel: Channel) -> ChannelReconciled:
    try:
        _, found = await channel.window.reconcile()
    except PartnerError as error:
        raise Refused(str(error), UNAVAILABLE) from error
    told = tuple(_told(each, f"shop {name}") for each in found.differences)
    return ChannelReconciled(name, found.at, found.compared, found.moving, told)


def _told(difference: Difference, shop: str) -> DifferenceTold:
    return DifferenceTold(
        article=difference.article,
        cause=difference.cause,
        units=difference.units,
        ledger=difference.ledger,
        shop=difference.partner,
        since=difference.since,
        about=difference.about,
        detail=detail(difference, shop),
        mend=mend(difference, shop),
    )

"""Has the books of shops, ledger and ERP compared, and tells what was found."""

from collections.abc import Mapping

from actors.channel import Channel
from actors.domain.discrepancies import Discrepancy
from actors.domain.reconciliation import Difference, detail, mend
from actors.errors import PartnerError
from actors.inspection import Inspection
from actors.system import System
from actors.three_way import ThreeWay, Whole
from daemon.control.service import NOT_FOUND, Refused
from daemon.control.wire_books import (
    ChannelReconciled,
    DifferenceTold,
    DiscrepancyTold,
    ErpReconciled,
    FiguresTold,
    Reconciled,
)

UNAVAILABLE = 503


class Bookkeeper:
    """Compares on request, one request after another."""

    def __init__(self, system: System, inspection: Inspection) -> None:
        self._system = system
        self._three_way = ThreeWay(
            shops=system.partners.shops,
            books=system.partners.books,
            journal=system.journal,
            inspection=inspection,
            directory=system.directory,
            desk=system.desk,
        )

    async def reconciled(self, channel: str | None) -> Reconciled:
        """Compare everything, or one channel's shop with the ledger, and return what differs and why.

        Raises:
            Refused: there is no such channel, it shows another's stock, its shop does not answer, or the
                daemon has not started: it would compare nothing, and find no difference.
        """
        if not self._system.started.is_set():
            raise Refused("the daemon is starting: ask again when it runs", UNAVAILABLE)
        shops = self._system.shops
        if channel is not None and channel not in shops:
            raise Refused(f"there is no channel {channel}", NOT_FOUND)
        asked = {name: each for name, each in shops.items() if channel in (None, name)}
        if channel is not None and not asked[channel].shows_stock:
            raise Refused(f"{channel} shows the stock of another channel: ask for that one")
        shown: dict[str, Mapping[str, int]] = {}
        channels: list[ChannelReconciled] = []
        for name, each in asked.items():
            if each.shows_stock:
                shown[name], told = await _window(name, each)
                channels.append(told)
        whole = await self._three_way.look(channel)
        return Reconciled(
            whole.at,
            tuple(channels),
            whole.orders.compared,
            whole.orders.moving,
            _erp(whole, shown),
            tuple(map(_discrepancy, whole.discrepancies)),
            whole.unread,
        )


async def _window(name: str, channel: Channel) -> tuple[Mapping[str, int], ChannelReconciled]:
    try:
        shown, found = await channel.window.reconcile()
    except PartnerError as error:
        raise Refused(str(error), UNAVAILABLE) from error
    told = tuple(_difference(each, f"shop {name}") for each in found.differences)
    return shown, ChannelReconciled(name, found.at, found.compared, found.moving, told)


def _difference(difference: Difference, shop: str) -> DifferenceTold:
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
        is_new=difference.is_new,
    )


def _erp(whole: Whole, shown: Mapping[str, Mapping[str, int]]) -> ErpReconciled | None:
    if whole.stock is None:
        return None
    figures = tuple(
        FiguresTold(
            row.warehouse,
            row.sku,
            row.ledger,
            row.erp,
            row.corrected,
            {channel: levels[row.sku] for channel, levels in shown.items() if row.sku in levels},
        )
        for row in whole.stock.figures
    )
    return ErpReconciled(
        whole.stock.began_at,
        whole.stock.ended_at,
        whole.stock.compared,
        len(whole.stock.moving),
        whole.stock.traced,
        figures,
    )


def _discrepancy(found: Discrepancy) -> DiscrepancyTold:
    return DiscrepancyTold(
        scope=found.scope,
        kind=found.kind,
        subject=found.subject,
        cause=found.cause,
        units=found.units,
        since=found.since,
        since_is=found.since_is,
        is_new=found.is_new,
        evidence=found.evidence,
        detail=found.detail,
        mend=found.mend.text,
        commands=found.mend.commands,
        settles_by=found.mend.settles_by,
        anomaly=found.told_as,
    )

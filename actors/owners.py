"""Takes a partner's answer back to whoever asked for the effect.

An order or a warehouse, named by the stream.
"""

from collections.abc import Callable, Sequence

from actors.attempt import Taken, contact_of
from actors.desk import Desk, Raise
from actors.directory import Directory, Keyed
from actors.domain.documents import LabelPurchase
from actors.domain.order_commands import Refused, Settled
from actors.domain.stock_commands import SettleStockEffect
from actors.intake import SALT_BYTES, digest
from actors.order import OrderHall, OrderMessage
from actors.ports.journal import PendingEffect
from actors.ports.partner import Outcome
from actors.ports.people import BesideRow, Contact


class Owners:
    """The way back for every drain."""

    def __init__(
        self, hall: OrderHall, directory: Directory, desk: Desk, entropy: Callable[[int], bytes]
    ) -> None:
        self._hall = hall
        self._directory = directory
        self._desk = desk
        self._entropy = entropy

    async def settle(self, taken: Sequence[Taken]) -> None:
        """Record that the partner has taken these documents of one stream; return once it is durable.

        What it remarked is put before a person first, so that a fall in between only has it found again.
        """
        for each in taken:
            if each.outcome.remark:
                await self._remark(each.effect, each.outcome.remark)
        kind, _, name = taken[0].effect.stream.partition("-")
        if kind == "stock":
            for each in taken:
                settled = SettleStockEffect(each.effect.effect, each.outcome.reference, "")
                await self._directory.ask_warehouse(name, _once(each.effect, settled))
        else:
            await self._hall.ask_all(name, [self._settled(name, each) for each in taken])
        for each in taken:
            await self._desk.resolve(_nonsense(each.effect), "system")

    def settle_soon(self, taken: Sequence[Taken], then: Callable[[Exception | None], None]) -> bool:
        """Have `settle` done without waiting, where an order has nothing to do but record; else return False.

        `then` is called once it is durable, with what went wrong if something did. Somebody waits for a
        label; everything else may wait a moment, so that what several partners answer is recorded together.
        """
        kind, _, name = taken[0].effect.stream.partition("-")
        if kind != "order" or any(
            each.outcome.remark or self._desk.has(_nonsense(each.effect)) for each in taken
        ):
            return False
        is_awaited = any(isinstance(each.effect.document, LabelPurchase) for each in taken)
        messages = [self._settled(name, each) for each in taken]
        return self._hall.hand(name, messages, then, may_gather=not is_awaited)

    def _settled(self, order: str, taken: Taken) -> OrderMessage:
        outcome = taken.outcome
        beside = self._label(order, taken.effect, outcome, taken.contact)
        settled = Settled(
            effect=taken.effect.effect,
            reference=outcome.reference,
            tracking=outcome.tracking,
            price=outcome.price,
            currency=outcome.currency,
            label=digest(beside[0]) if beside else None,
        )
        return OrderMessage(settled, beside)

    async def _remark(self, effect: PendingEffect, remark: str) -> None:
        detail = f"{effect.effect}: {remark}"
        mend = f"compare it at {effect.partner}, and mend its prices there or in the shop"
        await self._desk.raise_anomaly(Raise(f"remark:{effect.effect}", "partner_differs", detail, mend))

    def _label(
        self, order: str, effect: PendingEffect, outcome: Outcome, contact: Contact | None
    ) -> tuple[BesideRow, ...]:
        """Return the row that holds a label's pages.

        They bear the person's address, so they are erased with it, also where that was done meanwhile.
        """
        if not isinstance(effect.document, LabelPurchase):
            return ()
        customer = contact.customer if contact is not None else ""
        id_ = f"{order}:{effect.effect}"
        salt = self._entropy(SALT_BYTES)
        return (BesideRow(id_, "label", customer, salt, outcome.pages, contact_of(effect)),)

    async def refuse(self, effect: PendingEffect, why: str) -> None:
        """Record that the partner will not take the document; return once it is durable.

        A person is told first, where the two are not one append: a fall in between only has it refused again.
        """
        kind, _, name = effect.stream.partition("-")
        if kind == "stock":
            mend = f"book it by hand, or correct {name}"
            await self._desk.raise_anomaly(Raise(f"refused:{effect.effect}", "refused_by_partner", why, mend))
            await self._directory.ask_warehouse(
                name, _once(effect, SettleStockEffect(effect.effect, "", why))
            )
        else:
            await self._hall.ask(name, Refused(effect.effect, why))

    async def report(self, effect: PendingEffect, why: str) -> None:
        """Put before a person what a partner answers nonsense to; it is tried again now and then."""
        mend = f"look at {effect.partner}; the document is tried again every ten minutes"
        detail = f"{effect.effect}: {why}"
        await self._desk.raise_anomaly(Raise(_nonsense(effect), "partner_nonsense", detail, mend))


def _once(effect: PendingEffect, command: SettleStockEffect) -> Keyed:
    """Return the command under a key of its effect: an outcome that is found twice is recorded once."""
    return Keyed(f"settled:{effect.effect}", command)


def _nonsense(effect: PendingEffect) -> str:
    return f"nonsense:{effect.effect}"

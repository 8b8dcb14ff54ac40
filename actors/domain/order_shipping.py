"""How an order's parts leave.

Packed, labelled, dispatched, told to ERP and shop, and followed to the customer.
"""

from msgspec.structs import replace

from actors.domain.anomaly_events import AnomalyResolved
from actors.domain.carrier_choice import NoCarrier, choose_carrier
from actors.domain.documents import (
    ERP,
    Document,
    ErpChange,
    ErpDeliveryNote,
    ErpOrder,
    LabelPurchase,
    ShopParcel,
    ShopStatus,
    ShopTracking,
)
from actors.domain.order_allocation import confirm, go_on
from actors.domain.order_commands import Answered, Packed, Refused, Settled, Tracked
from actors.domain.order_draft import Draft, erp_lines, erp_open_lines, erp_order, shop, show
from actors.domain.order_events import (
    AllocationReduced,
    EffectDone,
    EffectRefused,
    EffectRequested,
    FulfilmentAllocated,
    FulfilmentReady,
    FulfilmentShipped,
    OrderDelivered,
    OrderShipped,
    ParcelLabelled,
    ParcelTracked,
    ReductionRefused,
)
from actors.domain.order_reduction import packed_less
from actors.domain.order_state import Order, Part, asked_again, effect_id, first_asked, to_give_back
from actors.domain.stock_commands import Reduced, Rejected


def packed(draft: Draft, command: Packed) -> None:
    """Take the news that a floor has packed a part; it may come before the answer that granted its units."""
    part = draft.order.parts.get(command.fulfilment)
    if part is None or part.state not in ("planned", "allocated", "confirmed"):
        return
    is_too_much = part.fulfilment in draft.order.giving_back
    left = packed_less(draft.order, part, command.parcels)
    if left is not None:
        draft.add(AllocationReduced(part.fulfilment, left))
    if part.state == "planned":
        draft.add(FulfilmentAllocated(part.fulfilment))
    if part.state != "confirmed":
        confirm(draft, part.fulfilment)
    draft.add(FulfilmentReady(command.fulfilment, command.parcels))
    part = draft.order.parts[command.fulfilment]
    if is_too_much:
        _hold_surplus(draft, part)
    ask_labels(draft, part)


def _hold_surplus(draft: Draft, part: Part) -> None:
    """Stop what a floor has packed beyond what the shop has left in the order meanwhile."""
    surplus = draft.order.surplus()
    beyond = [(line.sku, surplus[line.sku]) for line in part.lines if line.sku in surplus]
    if beyond:
        what = ", ".join(f"{units} of {sku}" for sku, units in beyond)
        why = f"{part.fulfilment} was packed with {what} that the shop has taken out"
        draft.hold("manual", why, None, "order")
        release = f"wharfctl order release {draft.order.id}"
        returns = [
            f"wharfctl return {part.warehouse} {draft.order.id} SLIP {sku} {units}" for sku, units in beyond
        ]
        mend = f"take it out, {release}, then {', '.join(returns)}; or {release} alone to ship it as it is"
        draft.raise_anomaly(f"surplus:{part.fulfilment}", "edited_too_late", why, mend)


def reduce_answered(draft: Draft, part: Part, command: Answered) -> None:
    """Take a warehouse's answer to a reduction; a late copy of one may tell of more than is kept by now."""
    match command.answer:
        case Reduced(lines) if lines == draft.order.keeping[part.fulfilment]:
            draft.add(AllocationReduced(part.fulfilment, lines))
        case Rejected(why):
            draft.add(ReductionRefused(part.fulfilment, why))
        case _:
            return


def follow_edit(draft: Draft) -> None:
    """Do what follows from other lines, as soon as everything that is too much is given back."""
    if any(to_give_back(draft.order)):
        return
    go_on(draft)
    order = draft.order
    if order.wanted() or any(part.state in ("planned", "allocated") for part in order.live()):
        return
    draft.tell_erp_of_change()
    _end_shipped(draft)


def ask_labels(draft: Draft, part: Part) -> None:
    """Ask for the labels that were not asked for yet.

    At the pack, and again once a missing carrier rule is there. None for a held order: it may go elsewhere by
    the time it is released, or never.
    """
    if draft.order.holds:
        return
    facts = draft.order.facts
    for parcel in part.parcels:
        if effect_id("label", parcel.parcel) in draft.order.effects_asked:
            continue
        chosen = choose_carrier(
            draft.facts.carriers, service=facts.service, country=facts.country, weight_g=parcel.weight_g
        )
        if isinstance(chosen, NoCarrier):
            why = "; ".join(chosen.reasons) or "there are no carrier rules"
            mend = "add a service to a carrier in the settings, then reload the daemon (SIGHUP)"
            if not facts.service:
                mend = (
                    "name a service for the shop's carrier in the channel's settings, or give the order"
                    " another carrier in the shop; it goes on by itself"
                )
            draft.raise_anomaly(f"carrier:{parcel.parcel}", "no_carrier", why, mend)
            continue
        purchase = LabelPurchase(
            parcel=parcel.parcel,
            carrier=chosen.carrier,
            service=chosen.carrier_service,
            warehouse=part.warehouse,
            country=facts.country,
            weight_g=parcel.weight_g,
            contact=facts.contact.id,
        )
        draft.tell("label", parcel.parcel, f"carrier-{chosen.carrier}", purchase)


def has_labels_asked(order: Order, part: Part) -> bool:
    """Tell whether a label was asked for each parcel of the part."""
    return all(effect in order.effects_asked for effect in order.label_effects(part))


def dispatch_answered(draft: Draft, part: Part, command: Answered) -> None:
    """Take a warehouse's answer to a dispatch: the part has left, so ERP and shop are to be told."""
    if isinstance(command.answer, Rejected):
        why, mend = command.answer.why, show(draft.order)
        draft.raise_anomaly(f"dispatch:{part.fulfilment}", "dispatch_refused", why, mend)
        return
    draft.tell_erp_of_order(unplaced_at=part.warehouse)
    already = [line for other in draft.order.live() if other.state == "shipped" for line in other.lines]
    draft.add(FulfilmentShipped(part.fulfilment))
    order = draft.order
    lines = erp_lines(order, [(part.warehouse, line) for line in part.lines], already)
    note = ErpDeliveryNote(part.fulfilment, order.id, part.warehouse, lines, draft.facts.now)
    draft.tell("erp-note", part.fulfilment, ERP, note)
    tracking = ShopTracking(order.facts.shop_order, _parcels_under_way(order))
    draft.tell("tracking", part.fulfilment, shop(order), tracking)
    _end_shipped(draft)


def _end_shipped(draft: Draft) -> None:
    order = draft.order
    live = tuple(order.live())
    if live and not order.wanted() and all(part.state == "shipped" for part in live):
        draft.add(OrderShipped())
        draft.tell_shop("shipped")
        _end_delivered(draft)


def _parcels_under_way(order: Order) -> tuple[ShopParcel, ...]:
    shipped = {packed.parcel for part in order.live() if part.state == "shipped" for packed in part.parcels}
    return tuple(
        ShopParcel(parcel.parcel, parcel.carrier, parcel.tracking, parcel.weight_g)
        for parcel in order.parcels.values()
        if parcel.parcel in shipped
    )


def settled(draft: Draft, command: Settled) -> None:
    """Take it that a partner has taken a document."""
    document = draft.order.effects.get(command.effect)
    if document is None:
        return
    if isinstance(document, LabelPurchase) and command.label is not None:
        labelled = ParcelLabelled(
            effect=command.effect,
            parcel=document.parcel,
            tracking=command.tracking,
            reference=command.reference,
            price=command.price,
            currency=command.currency,
            label=command.label,
        )
        draft.add(labelled)
    else:
        draft.add(EffectDone(command.effect, command.reference))


def refused(draft: Draft, command: Refused) -> None:
    """Take it that a partner will not take a document."""
    if command.effect in draft.order.effects:
        draft.add(EffectRefused(command.effect, command.why))
        effect = first_asked(command.effect)
        mend = f"mend what is said there, then wharfctl order retry {draft.order.id}"
        if isinstance(draft.order.refusals[effect], LabelPurchase):
            mend += "; an address that is mended in the shop is read again by itself"
        draft.raise_anomaly(f"refused:{effect}", "refused_by_partner", f"{effect}: {command.why}", mend)


def ask_again(draft: Draft, by: str, *, labels_only: bool = False) -> None:
    """Ask partners once more for what they refused, as it would be asked for today.

    What there is no need of any more is nobody's matter.
    """
    for effect, document in tuple(draft.order.refusals.items()):
        if labels_only and not isinstance(document, LabelPurchase):
            continue
        if not _is_moot(draft.order, document):
            asked = _as_of_today(draft, document)
            if asked is None:
                continue
            partner, again = asked
            draft.add(EffectRequested(asked_again(draft.order, effect), partner, again))
        anomaly = f"{draft.order.id}:refused:{effect}"
        if anomaly in draft.order.anomalies:
            draft.add(AnomalyResolved(anomaly, by))


def _is_moot(order: Order, document: Document) -> bool:
    """Tell whether there is nothing to be told any more: the order is beyond what was refused."""
    match document:
        case ErpOrder():
            return order.ended == "cancelled"
        case ErpChange():
            return not erp_open_lines(order)
        case ShopStatus(status="backordered"):
            return order.backordered is None
        case ShopStatus(status="preparing"):
            return bool(order.ended)
        case _:
            return False


def _as_of_today(draft: Draft, document: Document) -> tuple[str, Document] | None:
    """Return the partner and the document that would be asked for now, None while nobody could be asked."""
    order, facts = draft.order, draft.order.facts
    match document:
        case LabelPurchase(weight_g=weight_g):
            chosen = choose_carrier(
                draft.facts.carriers, service=facts.service, country=facts.country, weight_g=weight_g
            )
            if isinstance(chosen, NoCarrier):
                return None
            label = replace(
                document,
                carrier=chosen.carrier,
                service=chosen.carrier_service,
                country=facts.country,
                contact=facts.contact.id,
            )
            return f"carrier-{chosen.carrier}", label
        case ErpOrder():
            return ERP, erp_order(order)
        case ErpChange():
            return ERP, replace(document, lines=erp_open_lines(order))
        case ShopStatus() | ShopTracking():
            return shop(order), document
        case _:
            return ERP, document


def tracked(draft: Draft, command: Tracked) -> None:
    """Take a carrier's news of a parcel; what comes after its delivery is not followed."""
    order = draft.order
    parcel = order.parcels.get(command.parcel)
    if parcel is None or command.carrier_event in order.tracked or parcel.status == "delivered":
        return
    draft.add(ParcelTracked(command.parcel, command.status, command.carrier_event, command.at))
    _end_delivered(draft)


def _end_delivered(draft: Draft) -> None:
    order = draft.order
    if order.ended == "shipped" and all(parcel.status == "delivered" for parcel in order.parcels.values()):
        draft.add(OrderDelivered())

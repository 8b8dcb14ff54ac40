"""What the control socket's gates do, over the actors: which warehouses and carriers get something new."""

from collections import Counter
from collections.abc import Sequence

from actors.domain.gates import GateKind, GateShut
from actors.system import System
from daemon.control.asked import CapWarehouse, CloseGate, OpenGate
from daemon.control.service import NOT_FOUND, Mandate, Refused
from daemon.control.trial import trial
from daemon.control.wire import CarrierTold, Done, Trial, WarehouseTold


class SystemGates:
    """Implements `daemon.control.service.Gates`."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def warehouses(self) -> Sequence[WarehouseTold]:
        """Return the warehouses, as routing sees them and with what is in hand there."""
        await self._system.loaded.wait()
        told: list[WarehouseTold] = []
        owed: Counter[str] = Counter()
        for (warehouse, _), arrivals in self._system.expected.items():
            owed[warehouse] += sum(each.units for each in arrivals)
        for site in self._system.routing.warehouses:
            stock = self._system.directory.warehouses[site.name].stock
            shelves = stock.shelves.values()
            shut = self._shut("warehouse", site.name)
            cap = self._system.gatekeeper.gates.caps.get(site.name)
            told.append(
                WarehouseTold(
                    warehouse=site.name,
                    is_open=site.open,
                    closed_by=shut.by if shut is not None else "",
                    reason=shut.reason if shut is not None else "",
                    country=site.country,
                    priority=site.priority,
                    available=sum(shelf.available for shelf in shelves),
                    reserved=sum(shelf.reserved for shelf in shelves),
                    picked=sum(shelf.picked for shelf in shelves),
                    quarantine=sum(shelf.quarantine for shelf in shelves),
                    fulfilments=len(stock.fulfilments),
                    in_hand_max=site.in_hand_max,
                    capped_by=cap.by if cap is not None else "",
                    cap_reason=cap.reason if cap is not None else "",
                    expected=owed.get(site.name, 0),
                )
            )
        return told

    async def carriers(self) -> Sequence[CarrierTold]:
        """Return what the carriers take, in the order in which it is looked through."""
        await self._system.loaded.wait()
        told: list[CarrierTold] = []
        for rule in self._system.facts().carriers:
            shut = self._shut("carrier", rule.carrier)
            told.append(
                CarrierTold(
                    carrier=rule.carrier,
                    is_open=rule.open,
                    closed_by=shut.by if shut is not None else "",
                    reason=shut.reason if shut is not None else "",
                    service=rule.carrier_service,
                    takes=rule.service,
                    countries=rule.countries,
                    weight_g_max=rule.weight_g_max,
                )
            )
        return told

    async def close_warehouse(self, warehouse: str, asked: CloseGate, mandate: Mandate) -> Done | Trial:
        """Give the warehouse no new orders."""
        return await self._close("warehouse", warehouse, asked, mandate)

    async def open_warehouse(self, warehouse: str, asked: OpenGate, mandate: Mandate) -> Done | Trial:
        """Give the warehouse new orders again."""
        del asked
        return await self._open("warehouse", warehouse, mandate)

    async def cap_warehouse(self, warehouse: str, asked: CapWarehouse, mandate: Mandate) -> Done | Trial:
        """Give the warehouse new orders only up to so many in hand."""
        self._known("warehouse", warehouse)
        keeper, cap = self._system.gatekeeper, (warehouse, asked.in_hand_max, asked.reason, mandate.by)
        if mandate.dry_run:
            return trial(keeper.would_cap(*cap))
        await keeper.cap(*cap, key=mandate.key)
        return Done()

    async def close_carrier(self, carrier: str, asked: CloseGate, mandate: Mandate) -> Done | Trial:
        """Buy no new labels of the carrier."""
        return await self._close("carrier", carrier, asked, mandate)

    async def open_carrier(self, carrier: str, asked: OpenGate, mandate: Mandate) -> Done | Trial:
        """Buy labels of the carrier again."""
        del asked
        return await self._open("carrier", carrier, mandate)

    async def _close(self, gate: GateKind, name: str, asked: CloseGate, mandate: Mandate) -> Done | Trial:
        self._known(gate, name)
        keeper = self._system.gatekeeper
        if mandate.dry_run:
            return trial(keeper.would_shut(gate, name, asked.reason, mandate.by))
        await keeper.shut(gate, name, asked.reason, mandate.by, key=mandate.key)
        return Done()

    async def _open(self, gate: GateKind, name: str, mandate: Mandate) -> Done | Trial:
        self._known(gate, name)
        keeper = self._system.gatekeeper
        if mandate.dry_run:
            return trial(keeper.would_open(gate, name, mandate.by))
        await keeper.open(gate, name, mandate.by, key=mandate.key)
        return Done()

    def _known(self, gate: GateKind, name: str) -> None:
        system = self._system
        known = system.directory.warehouses if gate == "warehouse" else system.partners.carriers
        if name not in known:
            raise Refused(f"there is no {gate} {name}: {', '.join(known)}", NOT_FOUND)

    def _shut(self, gate: GateKind, name: str) -> GateShut | None:
        return self._system.gatekeeper.gates.shut.get((gate, name))

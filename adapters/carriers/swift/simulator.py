"""The carrier at the other end of the wire: labels that cost money, and parcels that move with time.

Awkward on purpose: it can ignore the idempotency key, its feed repeats events and brings some late, and
faults are switched on through `faults`. Its clock is its own and stands still until `tick` moves it.
"""

import base64
import heapq
import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import trio

from adapters.carriers.swift import labels as drawing
from adapters.carriers.swift.wire import s10_check_digit
from adapters.http.faults import Faults
from adapters.http.server import Drop, Request, Response, serve

API_KEY = "swift-simulator-key"
"""Of the demo and the tests; it opens nothing else."""

SERVICES: Mapping[str, tuple[Decimal, Decimal]] = {
    "HOME": (Decimal("4.90"), Decimal("0.80")),
    "EXPRESS": (Decimal("9.90"), Decimal("1.60")),
    "RELAY": (Decimal("3.40"), Decimal("0.50")),
}
"""The price of the first kilogram begun, and of each further one, in EUR."""

WEIGHT_G_MAX = 30_000
EVENTS_MAX = 500
"""What one page of the feed holds at most."""

JOURNEY = (
    ("PICKED_UP", timedelta(hours=2), timedelta(hours=6)),
    ("IN_TRANSIT", timedelta(hours=4), timedelta(hours=12)),
    ("OUT_FOR_DELIVERY", timedelta(hours=6), timedelta(hours=24)),
    ("DELIVERED", timedelta(hours=1), timedelta(hours=8)),
)
"""What happens to a parcel, and how long after the step before: at least and at most."""

LATE_AFTER = timedelta(hours=20)
"""How long a late event stays in a driver's scanner: long enough that later ones overtake it."""

REPEATED_AFTER = timedelta(minutes=30)
"""When an event that is told twice is told again."""

_REQUIRED_ADDRESS = ("name", "street", "postcode", "city", "country")
_JSON = (("Content-Type", "application/json"),)
_PROBLEM = (("Content-Type", "application/problem+json"),)


@dataclass(frozen=True, slots=True)
class BoughtLabel:
    """A label that somebody pays for."""

    id: str
    key: str
    reference: str
    service: str
    tracking: str
    weight_g: int
    price: Decimal
    document: Mapping[str, str]
    bought_at: datetime

    def told(self) -> dict[str, object]:
        """Return the label as the API shows it."""
        return {
            "id": self.id,
            "reference": self.reference,
            "tracking_number": self.tracking,
            "service": self.service,
            "weight_g": self.weight_g,
            "price": {"amount": str(self.price), "currency": "EUR"},
            "document": dict(self.document),
            "created_at": self.bought_at.isoformat(),
            "status": "active",
        }


@dataclass(frozen=True, slots=True, order=True)
class _Due:
    """Something that the feed will tell when the clock gets there."""

    shown_at: datetime
    order: int
    event: Mapping[str, str] = field(compare=False)


class Carrier:
    """The simulated carrier; everything that happened is to be read from its attributes.

    Args:
        name: stands on the labels.
        seed: of journeys, repeats and late events: the same seed and requests, the same story.
        now: where its clock begins.
        ignores_keys: it buys again under a known Idempotency-Key; only the look-up by reference helps then.
        repeat: the chance that the feed tells an event twice.
        late: the chance that an event turns up after those that followed it.

    Attributes:
        faults: switch them on here.
        labels: every label bought, in that order.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        *,
        now: datetime,
        api_key: str = API_KEY,
        ignores_keys: bool = False,
        repeat: float = 0.1,
        late: float = 0.1,
    ) -> None:
        self.name = name
        self.now = now
        self.ignores_keys = ignores_keys
        self.faults = Faults(random.Random(f"{seed} faults"))
        self.labels: list[BoughtLabel] = []
        self._rng = random.Random(f"{seed} carrier")
        self._api_key = api_key
        self._repeat = repeat
        self._late = late
        self._by_key: dict[str, tuple[BoughtLabel, bytes]] = {}
        self._by_reference: dict[str, list[BoughtLabel]] = {}
        self._feed: list[Mapping[str, str]] = []
        self._due: list[_Due] = []
        self._scheduled = 0

    @property
    def duplicate_labels(self) -> int:
        """How many labels were paid beyond the first of each parcel."""
        return len(self.labels) - len(self._by_reference)

    @property
    def delivered(self) -> set[str]:
        """The references of the parcels whose delivery the feed has told."""
        return {event["reference"] for event in self._feed if event["status"] == "DELIVERED"}

    def tick(self, now: datetime) -> None:
        """Move the clock on: whatever is due by then appears in the feed, in the order it became known."""
        self.now = max(self.now, now)
        while self._due and self._due[0].shown_at <= self.now:
            self._feed.append(heapq.heappop(self._due).event)

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `started` hands out the address, such as "http://127.0.0.1:40123"."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        address = f"http://{host}:{listeners[0].socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, self.faults.wrap(self.answer), listeners)
            task_status.started(address)

    async def answer(self, request: Request) -> Response | Drop:
        """Answer one request as the carrier would on a good day."""
        await trio.lowlevel.checkpoint()
        if not hmac.compare_digest((request.header("x-api-key") or "").encode(), self._api_key.encode()):
            return _problem(401, "The API key is not known")
        routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("POST", "/v1/labels"): self._buy,
            ("GET", "/v1/labels"): self._find,
            ("GET", "/v1/events"): self._events,
        }
        handler = routes.get((request.method, request.path))
        return handler(request) if handler is not None else _problem(404, "There is nothing here")

    def _buy(self, request: Request) -> Response:
        key = request.header("idempotency-key")
        if not key:
            return _problem(400, "An Idempotency-Key is required")
        known = self._by_key.get(key)
        if known is not None and not self.ignores_keys:
            label, body = known
            if body != request.body:
                return _problem(409, "The Idempotency-Key was used for another request")
            return Response(200, msgspec.json.encode(label.told()), _JSON)
        try:
            asked = msgspec.json.decode(request.body, type=dict[str, object])
        except msgspec.MsgspecError:
            return _problem(400, "The body is not a JSON object")
        errors = _wrong_fields(asked)
        if errors:
            return _problem(422, "The label cannot be made", errors)
        label = self._made(asked, key)
        self._by_key[key] = (label, request.body)
        self.labels.append(label)
        self._by_reference.setdefault(label.reference, []).append(label)
        self._schedule(label)
        return Response(201, msgspec.json.encode(label.told()), _JSON)

    def _find(self, request: Request) -> Response:
        reference = dict(request.query).get("reference")
        if not reference:
            return _problem(400, "Say which reference")
        found = [label.told() for label in self._by_reference.get(reference, [])]
        return Response(200, msgspec.json.encode({"labels": found}), _JSON)

    def _events(self, request: Request) -> Response:
        query = dict(request.query)
        after, limit = query.get("after", "0"), query.get("limit", "100")
        if not (after.isdecimal() and limit.isdecimal() and 0 < int(limit) <= EVENTS_MAX):
            return _problem(400, "after and limit are numbers that this feed gave or allows")
        page = self._feed[int(after) : int(after) + int(limit)]
        told = {"events": page, "next": str(min(int(after), len(self._feed)) + len(page))}
        return Response(200, msgspec.json.encode(told), _JSON)

    def _made(self, asked: Mapping[str, object], key: str) -> BoughtLabel:
        number = len(self.labels) + 1
        serial = f"{number:08d}"
        service, weight_g = str(asked["service"]), int(str(asked["weight_g"]))
        first, further = SERVICES[service]
        tracking = f"SW{serial}{s10_check_digit(serial)}FR"
        ship_to = asked["ship_to"]
        address = [str(value) for value in ship_to.values()] if isinstance(ship_to, dict) else []
        reference = str(asked["reference"])
        text = drawing.LabelText(self.name, service, tracking, reference, weight_g, address)
        pages = drawing.zpl(text) if asked["format"] == "zpl" else drawing.pdf(text)
        return BoughtLabel(
            id=f"lbl_{number}",
            key=key,
            reference=reference,
            service=service,
            tracking=tracking,
            weight_g=weight_g,
            price=first + further * ((weight_g - 1) // 1000),
            document={"format": str(asked["format"]), "content": base64.b64encode(pages).decode()},
            bought_at=self.now,
        )

    def _schedule(self, label: BoughtLabel) -> None:
        happens_at = label.bought_at
        self._will_show(label, "LABEL_CREATED", happens_at, happens_at)
        for status, least, most in JOURNEY:
            happens_at += least + (most - least) * self._rng.random()
            is_late = status != "DELIVERED" and self._rng.random() < self._late
            self._will_show(label, status, happens_at, happens_at + LATE_AFTER if is_late else happens_at)
        self.tick(self.now)

    def _will_show(self, label: BoughtLabel, status: str, happens_at: datetime, shown_at: datetime) -> None:
        event = {
            "id": f"{label.id}-{status.lower()}",
            "reference": label.reference,
            "tracking_number": label.tracking,
            "status": status,
            "occurred_at": happens_at.isoformat(),
        }
        times = 2 if self._rng.random() < self._repeat else 1
        for copy in range(times):
            self._scheduled += 1
            due = _Due(shown_at + copy * REPEATED_AFTER, self._scheduled, event)
            heapq.heappush(self._due, due)


def _wrong_fields(asked: Mapping[str, object]) -> list[dict[str, str]]:
    wrong: list[tuple[str, str]] = []
    reference, weight, ship_to = asked.get("reference"), asked.get("weight_g"), asked.get("ship_to")
    if not isinstance(reference, str) or not reference:
        wrong.append(("reference", "required"))
    if asked.get("service") not in SERVICES:
        wrong.append(("service", "unknown"))
    if asked.get("format") not in ("pdf", "zpl"):
        wrong.append(("format", "unknown"))
    if not isinstance(weight, int) or not 0 < weight <= WEIGHT_G_MAX:
        wrong.append(("weight_g", "out_of_range"))
    address = ship_to if isinstance(ship_to, dict) else {}
    wrong += [(f"ship_to.{name}", "required") for name in _REQUIRED_ADDRESS if not address.get(name)]
    return [{"field": name, "code": code, "message": f"got {asked.get(name)!r}"} for name, code in wrong]


def _problem(status: int, title: str, errors: Sequence[Mapping[str, str]] = ()) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "errors": list(errors)}
    return Response(status, msgspec.json.encode(body), _PROBLEM)

"""How an event stands in the log: its wire name, its bytes, and the hash that chains it to the one before.

Nothing here touches a database. The audit does not use this module: it proves the same from its own reading.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from typing import Final, get_args

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, Encoder
from msgspec.structs import StructConfig

from actors.domain.anomaly_events import AnomalyEvent, AnomalyTaken
from actors.domain.control_events import ControlEvent
from actors.domain.gates import GateEvent
from actors.domain.order_events import OrderEvent
from actors.domain.stock_events import StockEvent

LogEvent = OrderEvent | StockEvent | AnomalyEvent | AnomalyTaken | GateEvent | ControlEvent

GENESIS: Final = bytes(32)
"""What the first event of a partition is chained to."""

UPCASTS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType({})
"""Wire names that are no longer written, each with how its data becomes that of a kind that still is."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _wire_name(event: type[Struct]) -> str:
    config: StructConfig = event.__struct_config__
    if not isinstance(config.tag, str):
        raise TypeError(f"{event.__name__} has no wire name")
    return config.tag


KINDS: Mapping[type, str] = MappingProxyType({event: _wire_name(event) for event in get_args(LogEvent)})
"""The wire name of each class of event."""

encode_event: Callable[[LogEvent], bytes] = Encoder().encode
_decode: Callable[[bytes | str], LogEvent] = Decoder(LogEvent).decode


def decode_event(kind: str, data: bytes) -> LogEvent:
    """Return the event behind its stored bytes, whatever shape it had when it was written.

    Raises:
        ValueError: it is none of ours, or does not have the shape its kind says.
    """
    upcast = UPCASTS.get(kind)
    try:
        return _decode(upcast(data) if upcast is not None else data)
    except DecodeError as error:
        raise ValueError(f"the log holds an unreadable {kind}: {error}") from error


def microseconds(at: datetime) -> int:
    """Return an aware instant as whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def header(partition: int, position: int, stream: str, version: int, kind: str, at_us: int) -> bytes:
    """Return what the hash covers besides the data. No field can hold the zero byte that closes each."""
    return f"{partition}\0{position}\0{stream}\0{version}\0{kind}\0{at_us}\0".encode()


def chain(previous: bytes, head: bytes, data: bytes) -> bytes:
    """Return the hash of an event: 32 bytes over the previous event's hash, its `header` and its data."""
    return sha256(previous + head + data).digest()

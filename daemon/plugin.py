"""What a plugin has to say of itself so that its settings can be read and checked against the others'.

It names no concrete plugin: those stand in `daemon.plugins`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import Struct

from actors.domain.carrier_choice import CarrierRule


class Fault(Protocol):
    """A setting that cannot be: its key below the plugin's own table, and what is wrong with it."""

    @property
    def key(self) -> str:
        """The key's path, such as "depots.lyon"."""
        ...

    @property
    def why(self) -> str:
        """What is wrong, to be read after the key."""
        ...


def no_faults(_settings: Any) -> Sequence[Fault]:  # noqa: ANN401 - any plugin's settings
    """Return nothing: everything that may be wrong is said by the types of the settings."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlugin:
    """A kind of channel.

    Attributes:
        name: the value of `type` in the settings.
        settings: what else stands in the channel's table.
        faults: what is wrong with settings that have the right types.
        services: by key below the channel's table, the names of our services that it maps to.
        place: what two channels must not share, such as the shop's address: each order would come twice.
    """

    name: str
    settings: type[Struct]
    services: Callable[[Any], Mapping[str, str]]
    place: Callable[[Any], str]
    faults: Callable[[Any], Sequence[Fault]] = no_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class ErpPlugin:
    """A kind of ERP.

    Attributes:
        name, settings, faults: as a channel's.
        warehouses: the key of the table that maps our warehouses, and the warehouses in it.
        channels: the key of the table that maps our channels, and the channels in it.
    """

    name: str
    settings: type[Struct]
    warehouses: Callable[[Any], tuple[str, Collection[str]]]
    channels: Callable[[Any], tuple[str, Collection[str]]]
    faults: Callable[[Any], Sequence[Fault]] = no_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierPlugin:
    """A kind of carrier.

    Attributes:
        name, settings, faults: as a channel's.
        rules: which parcels the carrier takes, given its name in the settings.
    """

    name: str
    settings: type[Struct]
    rules: Callable[[str, Any], tuple[CarrierRule, ...]]
    faults: Callable[[Any], Sequence[Fault]] = no_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugins:
    """Every kind that there is."""

    channels: tuple[ChannelPlugin, ...]
    erps: tuple[ErpPlugin, ...]
    carriers: tuple[CarrierPlugin, ...]

"""Every plugin there is: a new carrier, channel or ERP is one folder and one entry here."""

from collections.abc import Collection, Mapping

from adapters.carriers.swift import plugin as swift
from adapters.channels.prestashop import plugin as prestashop
from adapters.erps.divalto import checking as divalto_checking
from adapters.erps.divalto import plugin as divalto
from daemon.plugin import CarrierPlugin, ChannelPlugin, ErpPlugin, Plugins


def _prestashop_services(settings: prestashop.PrestaShopSettings) -> Mapping[str, str]:
    return {f"service_of.{carrier}": service for carrier, service in settings.service_of.items()}


def _prestashop_place(settings: prestashop.PrestaShopSettings) -> str:
    return f"{settings.url.rstrip('/').lower()} shop {settings.id_shop}"


def _divalto_warehouses(settings: divalto.DivaltoSettings) -> tuple[str, Collection[str]]:
    return "depots", settings.depots


def _divalto_channels(settings: divalto.DivaltoSettings) -> tuple[str, Collection[str]]:
    return "customers", settings.customers


PLUGINS = Plugins(
    channels=(
        ChannelPlugin(
            name=prestashop.KIND,
            settings=prestashop.PrestaShopSettings,
            services=_prestashop_services,
            place=_prestashop_place,
            faults=prestashop.problems,
        ),
    ),
    erps=(
        ErpPlugin(
            name=divalto.NAME,
            settings=divalto.DivaltoSettings,
            warehouses=_divalto_warehouses,
            channels=_divalto_channels,
            faults=divalto_checking.problems,
        ),
    ),
    carriers=(
        CarrierPlugin(
            name=swift.NAME,
            settings=swift.SwiftSettings,
            rules=swift.carrier_rules,
            faults=swift.problems,
        ),
    ),
)

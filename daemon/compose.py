"""Puts the daemon together: the only module that names concrete adapters and actors side by side."""

import os
import random
import secrets
import socket
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from actors.attempt import Observe
from actors.channel import ChannelSettings
from actors.domain.assortment import Assortment
from actors.domain.carrier_choice import CarrierRule
from actors.order import OrderMoved
from actors.partners import Partners
from actors.ports.carrier import CarrierPort
from actors.ports.journal import Journal
from actors.ports.shop import ShopPort
from actors.system import Rules, Surroundings, System
from adapters.articles import Article
from adapters.carriers.swift.adapter import SwiftCarrier
from adapters.carriers.swift.plugin import SwiftSettings
from adapters.channels.prestashop.adapter import PrestaShop
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.erps.divalto.adapter import DivaltoErp
from adapters.erps.divalto.plugin import DivaltoSettings
from adapters.trials import Finding
from daemon import settings as settings_of
from daemon.settings import Carrier, Channel, ChannelTerms, Erp, Settings, routing_rules

J = TypeVar("J", bound=Journal)


def owner_name() -> str:
    """Return a name that no other process ever has: host and pid for people, the rest for certainty."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_partners(settings: Settings) -> AsyncGenerator[Partners]:
    """Make the adapters that the settings ask for; their connections are closed in the end."""
    async with AsyncExitStack() as stack:
        shops = {
            name: await stack.enter_async_context(open_shop(channel))
            for name, channel in settings.channels.items()
        }
        erp = await _open_erp(stack, settings.erp)
        carriers = {name: await _open_carrier(stack, carrier) for name, carrier in settings.carriers.items()}
        yield Partners(shops, erp, carriers, erp.books)


@asynccontextmanager
async def open_work(
    settings: Settings, journal: AbstractAsyncContextManager[J]
) -> AsyncGenerator[tuple[J, Partners]]:
    """Open the journal, which may wait as a standby for days, and only then make the partners' adapters.

    They reckon from their making for how long what an earlier daemon sent may still be under way, and look
    for it no sooner: made before, they would send it again.
    """
    async with journal as opened, open_partners(settings) as partners:
        yield opened, partners


@asynccontextmanager
async def open_shop(channel: Channel) -> AsyncGenerator[ShopPort]:
    """Make the adapter of one channel; its connections are closed in the end."""
    match channel.settings:
        case PrestaShopSettings():
            async with PrestaShop.open(channel.settings, channel.name) as shop:
                yield shop
        case _:
            raise TypeError(f"no adapter takes {type(channel.settings).__name__}")


async def try_channel(channel: Channel) -> Sequence[Finding]:
    """Try the channel's shop step by step, reading only; see its adapter's trial."""
    match channel.settings:
        case PrestaShopSettings():
            from adapters.channels.prestashop.trial import try_shop  # late: a command's, not the daemon's

            return await try_shop(channel.name, channel.settings, utc_now)
        case _:
            raise TypeError(f"no adapter takes {type(channel.settings).__name__}")


async def read_articles(channel: Channel) -> Sequence[Article]:
    """Return what the channel's shop sells; see its adapter's articles."""
    match channel.settings:
        case PrestaShopSettings():
            from adapters.channels.prestashop.articles import read_articles  # late, as the trial

            return await read_articles(channel.settings, channel.name)
        case _:
            raise TypeError(f"no adapter takes {type(channel.settings).__name__}")


async def try_erp(erp: Erp) -> Sequence[Finding]:
    """Try the ERP step by step, reading only; see its adapter's trial."""
    match erp.settings:
        case DivaltoSettings():
            from adapters.erps.divalto.trial import try_profile  # late, as the shop's

            return await try_profile(erp.type, erp.settings, utc_now)
        case _:
            raise TypeError(f"no adapter takes {type(erp.settings).__name__}")


async def _open_erp(stack: AsyncExitStack, erp: Erp) -> DivaltoErp:
    match erp.settings:
        case DivaltoSettings():
            return await stack.enter_async_context(aclosing(DivaltoErp(erp.type, erp.settings)))
        case _:
            raise TypeError(f"no adapter takes {type(erp.settings).__name__}")


async def _open_carrier(stack: AsyncExitStack, carrier: Carrier) -> CarrierPort:
    match carrier.settings:
        case SwiftSettings():
            return await stack.enter_async_context(aclosing(SwiftCarrier(carrier.name, carrier.settings)))
        case _:
            raise TypeError(f"no adapter takes {type(carrier.settings).__name__}")


def rules_of(
    settings: Settings,
    rules: settings_of.Rules,
    carriers: tuple[CarrierRule, ...],
    assortments: Mapping[str, Assortment],
) -> Rules:
    """Return what the actors decide by: what SIGHUP may change, over what the settings name."""
    return Rules(routing_rules(settings.warehouses, rules), carriers, assortments)


def _channel(name: str, terms: ChannelTerms) -> ChannelSettings:
    orders_since = utc_now() - timedelta(hours=terms.first_import_hours)
    return ChannelSettings(
        name,
        poll_s=terms.poll_seconds,
        reread_s=terms.reread_seconds,
        safety=terms.safety_stock,
        buffer=terms.buffer,
        orders_since=orders_since,
        sells_all=terms.sells_all,
        stock_with=terms.stock_with,
        release_wait_s=terms.release_wait_seconds,
    )


def compose(
    settings: Settings,
    partners: Partners,
    journal: Journal,
    *,
    observe: Observe,
    moved: OrderMoved,
    rules: Rules | None = None,
    before_intake: Callable[[], None] = lambda: None,
) -> System:
    """Wire all actors over these partners and this journal, by the settings' rules or by later ones."""
    channels = tuple(_channel(name, channel.terms) for name, channel in settings.channels.items())
    surroundings = Surroundings(utc_now, secrets.token_bytes, random.Random(), observe, moved, before_intake)
    if rules is None:
        rules = rules_of(settings, settings.rules, settings.carrier_rules, settings.assortments)
    return System(journal, partners, channels, rules, surroundings)

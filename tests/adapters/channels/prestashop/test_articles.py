"""What a shop sells is read with EAN, weight and price, and its packs with what they hold."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from actors.errors import RefusedError
from adapters.articles import Article
from adapters.channels.prestashop.articles import read_articles
from adapters.channels.prestashop.plugin import PrestaShopSettings
from adapters.channels.prestashop.simulated.below import make_pack
from adapters.channels.prestashop.simulator import FULL_KEY

if TYPE_CHECKING:
    from tests.adapters.channels.prestashop.conftest import World


async def test_products_combinations_and_packs_are_told_with_ean_weight_and_price(world: World) -> None:
    shop = world.shop
    shop.add_product("set", "Tea for two", "35.00", ean13="3700000000061")
    make_pack(shop, "set", {"teapot": 1, "cup": 2, "shirt-m": 1})
    medium = shop.stockroom.article("shirt-m").combination
    shop.tables["combinations"][medium] |= {
        "price": "-3.900000",
        "weight": "0.050000",
        "ean13": "3700000000078",
    }
    shop.tables["products"][shop.stockroom.article("cup").product] |= {"active": "0", "weight": "0"}
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY)
    found = {each.name: each for each in await read_articles(settings, "main")}
    assert list(found) == ["teapot", "cup", "shirt-s", "shirt-m", "set"]
    assert found["teapot"] == Article("teapot", "1", "", 300, Decimal("19.90"), True, "Teapot")
    assert (found["cup"].weight_g, found["cup"].is_active) == (0, False)
    assert (found["shirt-s"].price, found["shirt-m"].price) == (Decimal("23.90"), Decimal("20.00"))
    assert (found["shirt-m"].weight_g, found["shirt-m"].ean13) == (350, "3700000000078")
    assert (found["set"].ean13, dict(found["set"].contains)) == (
        "3700000000061",
        {"teapot": 1, "cup": 2, "shirt-m": 1},
    )


@pytest.mark.parametrize(("language", "titles"), [("", "Shirt"), ("en", "Shirt"), ("fr", "Chemise")])
async def test_articles_are_titled_in_the_channels_language(world: World, language: str, titles: str) -> None:
    product = world.shop.stockroom.article("shirt-m").product
    world.shop.tables["products"][product] |= {"name": ((1, "Shirt"), (2, "Chemise"))}
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY, language=language)
    found = {each.name: each.title for each in await read_articles(settings, "main")}
    assert (found["shirt-s"], found["shirt-m"]) == (titles, titles)


async def test_a_language_that_the_shop_does_not_speak_is_named(world: World) -> None:
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY, language="de")
    with pytest.raises(RefusedError, match="no active language de"):
        await read_articles(settings, "main")


async def test_articles_go_by_the_names_that_the_channel_goes_by(world: World) -> None:
    world.shop.add_product("set", "Tea for two", "35.00", ean13="3700000000061")
    make_pack(world.shop, "set", {"cup": 2})
    settings = PrestaShopSettings(url=world.url, key=FULL_KEY, sku_from=("ean13", "id"))
    found = await read_articles(settings, "main")
    assert [each.id for each in found] == ["1", "2", "3-1", "3-2", "4"]
    assert [each.name for each in found] == ["id:1", "id:2", "id:3-1", "id:3-2", "3700000000061"]
    assert dict(found[-1].contains) == {"id:2": 2}

"""What a freshly installed shop holds: order states, countries, carriers, configuration; ids as in 9.1.4."""

from adapters.channels.prestashop.simulated.tables import Tables, Value

STATES = {
    1: ("Awaiting check payment", 0, 0, 0, 0, 0),
    2: ("Payment accepted", 1, 1, 0, 0, 1),
    3: ("Processing in progress", 1, 1, 0, 1, 1),
    4: ("Shipped", 1, 1, 1, 1, 1),
    5: ("Delivered", 1, 1, 1, 1, 1),
    6: ("Canceled", 0, 0, 0, 0, 0),
    7: ("Refunded", 0, 0, 0, 0, 1),
    8: ("Payment error", 0, 0, 0, 0, 0),
    9: ("On backorder (paid)", 1, 0, 0, 0, 1),
    10: ("Awaiting bank wire payment", 0, 0, 0, 0, 0),
    11: ("Remote payment accepted", 1, 1, 0, 0, 1),
    12: ("On backorder (not paid)", 0, 0, 0, 0, 0),
    13: ("Awaiting Cash On Delivery validation", 0, 0, 0, 0, 0),
}
"""Order states by id, as recorded: name, paid, logable, shipped, delivery, invoice."""

PAID = 2
CANCELLED = 6
PAYMENT_ERROR = 8
HOLDS_NO_STOCK = frozenset({CANCELLED, PAYMENT_ERROR})

COUNTRIES = {
    1: "DE", 2: "AT", 3: "BE", 4: "CA", 5: "CN", 6: "ES", 7: "FI", 8: "FR", 9: "GR", 10: "IT", 11: "JP",
    12: "LU", 13: "NL", 14: "PL", 15: "PT", 16: "CZ", 17: "GB", 18: "SE", 19: "CH", 20: "DK", 21: "US",
}  # fmt: skip
"""Country ids of a fresh installation."""

HOME = "FR"
"""The shop's own country: a fresh installation activates no other."""

STATES_OF_COUNTRIES = {8: (21, "CA", "California"), 35: (21, "NY", "New York")}


def furnish(tables: Tables, time_zone: str, shop_name: str) -> None:
    """Fill the tables of a new shop."""
    for state, (name, paid, logable, shipped, delivery, invoice) in STATES.items():
        values = {
            "name": name,
            "paid": str(paid),
            "logable": str(logable),
            "shipped": str(shipped),
            "delivery": str(delivery),
            "invoice": str(invoice),
            "unremovable": "1",
            "color": "#3498D8",
        }
        tables.insert("order_states", values, state)
    for country, iso_code in COUNTRIES.items():
        active = "1" if iso_code == HOME else "0"
        called: dict[str, Value] = {"iso_code": iso_code, "name": iso_code, "id_zone": 1, "active": active}
        tables.insert("countries", called, country)
    for state, (country, iso_code, name) in STATES_OF_COUNTRIES.items():
        tables.insert("states", {"id_country": country, "iso_code": iso_code, "name": name}, state)
    tables.insert("currencies", {"iso_code": "EUR", "name": "Euro", "active": 1, "conversion_rate": "1"})
    tables.insert(
        "languages", {"iso_code": "en", "name": "English (English)", "locale": "en-US", "active": 1}
    )
    tables.insert(
        "languages", {"iso_code": "fr", "name": "Français (French)", "locale": "fr-FR", "active": 1}
    )
    tables.insert("shop_groups", {"name": "Default", "active": 1})
    tables.insert("shops", {"name": shop_name, "id_shop_group": 1, "id_category": 2, "active": 1})
    for reference, name in ((1, "Click and collect"), (2, "My carrier"), (3, "My cheap carrier")):
        tables.insert("carriers", {"id_reference": reference, "name": name, "active": "1", "delay": "Soon"})
    configuration = {
        "PS_COUNTRY_DEFAULT": "8",
        "PS_CURRENCY_DEFAULT": "1",
        "PS_CUSTOMER_GROUP": "3",
        "PS_LANG_DEFAULT": "1",
        "PS_OS_CANCELED": "6",
        "PS_OS_DELIVERED": "5",
        "PS_OS_ERROR": "8",
        "PS_OS_OUTOFSTOCK_PAID": "9",
        "PS_OS_PAYMENT": "2",
        "PS_OS_PREPARATION": "3",
        "PS_OS_SHIPPING": "4",
        "PS_OS_WS_PAYMENT": "11",
        "PS_SHOP_DOMAIN": "127.0.0.1",
        "PS_SHOP_ENABLE": "1",
        "PS_STOCK_MANAGEMENT": "1",
        "PS_TIMEZONE": time_zone,
    }
    for name, value in configuration.items():
        tables.insert("configurations", {"name": name, "value": value})

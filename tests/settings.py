"""The settings of a merchant whose partners are all away, for tests that want a file that is whole."""

PARTNERS = """
[channels.main]
type = "prestashop"
url = "http://127.0.0.1:9"
key_file = "shop.key"
service_of = { 2 = "home" }

[erp]
type = "divalto"
url = "http://127.0.0.1:9"
user = "wharfinger"
password_file = "erp.password"
dos = "998"
customer = "C0000001"

[erp.depots]
lyon = "LYO"

[carriers.swift]
type = "swift"
url = "http://127.0.0.1:9"
api_key_file = "swift.key"
services = { home = { code = "HOME" } }

[warehouses.lyon]
country = "FR"
"""
"""Behind `[database]` and what else a test sets of the daemon: a shop, an ERP, a carrier, a warehouse.

Their secrets are the files shop.key, erp.password and swift.key.
"""

"""A whole merchant on one machine: shop, ERP, carrier, two warehouses with their crews, and the daemon."""

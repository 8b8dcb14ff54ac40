"""A whole merchant on one machine: shop, ERP, carrier, two warehouses with their floor crews, and the daemon."""

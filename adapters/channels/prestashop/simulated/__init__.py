"""The parts of the PrestaShop simulator; `adapters.channels.prestashop.simulator` is the way in."""

"""PrestaShop: a shop spoken to over its legacy webservice, and a simulator of that webservice."""

"""Divalto Infinity, the ERP that keeps the books: client, wire, plugin, adapter, and the simulator beside."""

"""Swift, the reference parcel carrier: client, wire, plugin, adapter, and the simulator beside them."""

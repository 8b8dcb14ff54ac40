"""HTTP as all partners and the daemon use it: one client module, one server module."""

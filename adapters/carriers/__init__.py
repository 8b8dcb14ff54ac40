"""Carriers that move parcels, one folder each."""

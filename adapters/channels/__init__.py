"""Places that sell, one folder each."""

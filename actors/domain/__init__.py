"""Pure decisions: no clock, no I/O, no randomness; time, ids and chance come in as values."""

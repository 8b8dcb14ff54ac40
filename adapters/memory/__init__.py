"""Working fakes in process: a journal and partners that keep exact books."""

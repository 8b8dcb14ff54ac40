"""Everything that speaks to Postgres: the bridge to its thread, the journal, the migrations, and a server of our own."""

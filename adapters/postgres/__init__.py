"""Everything that speaks to Postgres: its thread, the journal, the migrations, and a server of our own."""

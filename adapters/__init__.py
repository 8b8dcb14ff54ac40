"""Everything outside: Postgres and the partners, each with its simulator beside it."""

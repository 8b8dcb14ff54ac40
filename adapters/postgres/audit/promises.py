"""What must be true across the whole log, asked of the database, which can sort more than fits in memory."""

from typing import Final

from adapters.postgres.audit.report import Findings
from adapters.postgres.connect import Connection

_ONCE: Final = """
    SELECT partition, position, name FROM (
        SELECT partition, position, name,
               row_number() OVER (PARTITION BY name ORDER BY partition, position) AS nth
          FROM (SELECT partition, position,
                       CASE WHEN kind IN ('stock.reserved', 'stock.reservation_refused')
                                 THEN 'the fulfilment ' || (data ->> 'fulfilment')
                            WHEN kind IN ('stock.received', 'stock.returned')
                                 THEN 'the delivery ' || (data ->> 'delivery') || ' to ' || stream
                            WHEN kind IN ('order.effect_requested', 'stock.effect_requested')
                                 THEN 'the effect ' || (data ->> 'effect')
                            WHEN kind = 'order.imported'
                                 THEN 'the order ' || (data ->> 'shop_order') || ' of '
                                      || (data ->> 'channel')
                       END AS name
                  FROM event) AS named
         WHERE name IS NOT NULL) AS numbered
     WHERE nth > 1 ORDER BY partition, position LIMIT $1
"""
_NEVER_RESERVED: Final = """
    SELECT e.partition, e.position, e.data ->> 'fulfilment' AS name FROM event AS e
     WHERE e.kind = 'order.allocated' AND NOT EXISTS (
           SELECT FROM event AS r
            WHERE r.kind = 'stock.reserved' AND r.data ->> 'fulfilment' = e.data ->> 'fulfilment')
     ORDER BY e.partition, e.position LIMIT $1
"""
_BESIDE: Final = """
    SELECT e.partition, e.position, named.beside ->> 'id' AS name
      FROM event AS e
     CROSS JOIN LATERAL (VALUES (e.data -> 'contact'), (e.data -> 'payload'), (e.data -> 'label'))
                AS named (beside)
      LEFT JOIN beside AS b ON b.partition = e.partition AND b.id = named.beside ->> 'id'
     WHERE e.kind IN ('order.imported', 'order.contact_corrected', 'order.retold', 'order.labelled')
       AND json_typeof(named.beside) = 'object'
       AND (b.id IS NULL
            OR b.erased_at IS NULL
               AND encode(sha256(b.salt || b.body), 'hex') IS DISTINCT FROM named.beside ->> 'digest'
            OR b.erased_at IS NOT NULL AND (b.salt IS NOT NULL OR b.body IS NOT NULL))
     ORDER BY e.partition, e.position LIMIT $1
"""
_TOLD_MAX: Final = 1_000


async def audit_promises(connection: Connection, findings: Findings) -> None:
    """Look for what was done twice, for promises nobody made, and for altered rows beside the log."""
    for row in await connection.fetch(_ONCE, _TOLD_MAX):
        findings.add(row["partition"], row["position"], f"{row['name']} stands in the log a second time")
    for row in await connection.fetch(_NEVER_RESERVED, _TOLD_MAX):
        findings.add(row["partition"], row["position"], f"no warehouse promised the fulfilment {row['name']}")
    for row in await connection.fetch(_BESIDE, _TOLD_MAX):
        what = f"the row {row['name']} beside the log was altered or lost"
        findings.add(row["partition"], row["position"], what)

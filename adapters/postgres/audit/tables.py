"""What the tables must say by which nothing is taken in twice, overlooked, or left waiting.

Asked of the database, as it can join more than fits in memory. Balances, movements, fulfilments, the outbox
and the orders' states are compared while the log is read.
"""

from typing import Final

from adapters.postgres.audit.report import Findings
from adapters.postgres.connect import Connection

_DELIVERIES: Final = """
    SELECT partition, coalesce(e.position, 0) AS position,
           'the delivery ' || delivery || ' to ' || warehouse || ' is not known as its events tell it' AS what
      FROM (SELECT DISTINCT ON (partition, stream, data ->> 'delivery')
                   partition, substr(stream, 7) AS warehouse, data ->> 'delivery' AS delivery, position
              FROM event WHERE kind IN ('stock.received', 'stock.returned')
             ORDER BY partition, stream, data ->> 'delivery', position) AS e
      FULL JOIN delivery AS d USING (partition, warehouse, delivery)
     WHERE e.position IS NULL OR d.partition IS NULL
"""
_SLOTS: Final = """
    SELECT partition, coalesce(e.position, 0) AS position,
           'the slot of ' || sku || ' at ' || warehouse || ' is not what its events say' AS what
      FROM (SELECT DISTINCT ON (partition, stream, data ->> 'sku')
                   partition, substr(stream, 7) AS warehouse, data ->> 'sku' AS sku,
                   data ->> 'slot' AS slot, position
              FROM event
             WHERE kind = 'stock.slot_assigned'
                OR kind IN ('stock.opened', 'stock.received', 'stock.returned') AND data ->> 'slot' <> ''
             ORDER BY partition, stream, data ->> 'sku', position DESC) AS e
      FULL JOIN slot AS s USING (partition, warehouse, sku)
     WHERE e.slot IS DISTINCT FROM s.slot
"""
_ANOMALIES: Final = """
    SELECT partition, coalesce(e.position, 0) AS position,
           'the anomaly ' || anomaly || ' is not open as its events tell it' AS what
      FROM (SELECT DISTINCT ON (partition, data ->> 'anomaly')
                   partition, data ->> 'anomaly' AS anomaly, kind = 'anomaly.raised' AS is_open, position
              FROM event WHERE kind IN ('anomaly.raised', 'anomaly.resolved')
             ORDER BY partition, data ->> 'anomaly', position DESC) AS e
      FULL JOIN anomaly AS a USING (partition, anomaly)
     WHERE coalesce(e.is_open, false) <> (a.partition IS NOT NULL AND a.resolved_at IS NULL)
"""
_BACKORDERS: Final = """
    SELECT partition, 0 AS position,
           order_id || ' is not known to wait for ' || sku || ' as the index tells it' AS what
      FROM (SELECT o.partition, o.order_id, line.sku, sum(line.units) AS units, o.placed_at
              FROM order_index AS o
             CROSS JOIN LATERAL json_to_recordset(o.waiting_for) AS line (sku text, units bigint)
             GROUP BY o.partition, o.order_id, line.sku, o.placed_at) AS o
      FULL JOIN backorder AS b USING (partition, order_id, sku)
     WHERE (o.units, o.placed_at) IS DISTINCT FROM (b.units, b.placed_at)
"""
# Whoever still has something before them has a clock, unless a person was told that they are silent.
_UNSEEN: Final = """
    SELECT o.partition, 0 AS position, o.order_id || ' waits and has no clock' AS what FROM order_index AS o
     WHERE o.due_at IS NULL AND o.state NOT IN ('delivered', 'cancelled')
       AND NOT EXISTS (SELECT FROM anomaly AS a
                        WHERE a.partition = o.partition AND a.stream = 'order-' || o.order_id
                          AND a.problem = 'silent' AND a.resolved_at IS NULL)
"""
_TOLD_MAX: Final = 1_000


async def audit_tables(connection: Connection, findings: Findings) -> None:
    """Look for rows that do not follow from the events, and for orders that would wait unseen."""
    for question in (_DELIVERIES, _SLOTS, _ANOMALIES, _BACKORDERS, _UNSEEN):
        for row in await connection.fetch(f"{question} ORDER BY 1, 2, 3 LIMIT $1", _TOLD_MAX):
            findings.add(row["partition"], row["position"], row["what"])

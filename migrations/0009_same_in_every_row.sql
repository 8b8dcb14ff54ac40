-- A column in whose rows all stands the same, such as the warehouse of a batch, comes as that one value: a third of what is
-- sent, and of what is unfolded here. Where one column unfolds into fewer rows than the longest, Postgres fills it up with
-- NULL, and NULL in a column that knows none means the one value. The function's arguments and answers stay as they were.

CREATE OR REPLACE FUNCTION journal_append(
    claimant text, partitions smallint[], fences bigint[], heads_before bigint[], heads_after bigint[],
    head_hashes bytea[],
    unsure_partitions smallint[], unsure_streams text[], unsure_versions bigint[],
    e_partition text, e_position text, e_stream text, e_version text, e_kind text, e_data text, e_at text, e_hash text,
    m_partition text, m_position text, m_line text, m_warehouse text, m_sku text, m_source text, m_target text,
    m_units text,
    b_partition text, b_warehouse text, b_sku text, b_lot text, b_available text, b_reserved text, b_picked text,
    b_quarantine text, b_supplier text, b_customer text, b_count text, b_opening text, b_transit text,
    o_partition text, o_fulfilment text, o_order text, o_warehouse text, o_state text, o_closed text, o_body text,
    o_position text,
    c_partition text, c_fulfilment text, c_order text, c_warehouse text, c_state text, c_closed text, c_body text,
    c_position text,
    rest json
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    affected bigint;
    wrong text;
    claimed smallint;
    nothing text;
    -- What stands in all rows of a column that came as one value.
    one_partition smallint;
    one_stream text;
    one_kind text;
    one_warehouse text;
    one_lot text;
    one_source text;
    one_target text;
    one_state text;
BEGIN
    FOREACH claimed IN ARRAY partitions LOOP
        -- Holds off every takeover until this transaction ends. A plain expression, where PERFORM would be a query.
        nothing := pg_advisory_xact_lock_shared(1464353106, claimed);
    END LOOP;

    IF unsure_streams <> '{}' THEN
        SELECT n.stream INTO wrong
          FROM unnest(unsure_partitions, unsure_streams, unsure_versions) AS n (partition, stream, version)
         WHERE n.version <> coalesce((SELECT e.version FROM event AS e
                                       WHERE e.partition = n.partition AND e.stream = n.stream
                                       ORDER BY e.version DESC LIMIT 1), 0)
         LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'stream % is at another version', wrong USING ERRCODE = 'WF003';
        END IF;
    END IF;

    IF e_position <> '{}' THEN
        -- A statement of its own, and so a snapshot of its own: what a takeover committed while we waited is seen.
        UPDATE partition_head AS h SET position = n.position, hash = n.hash
          FROM unnest(partitions, heads_before, heads_after, head_hashes, fences)
               AS n (partition, before, position, hash, fence)
          JOIN partition_lease AS l ON l.partition = n.partition AND l.fence = n.fence
         WHERE h.partition = n.partition AND h.position = n.before
           AND l.owner = claimant AND l.until > clock_timestamp();
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(partitions) THEN
            PERFORM journal_fence(claimant, partitions, fences);
            RAISE EXCEPTION 'somebody else wrote to a partition' USING ERRCODE = 'WF002';
        END IF;
        one_partition := (e_partition::smallint[])[1];
        one_stream := split_part(e_stream, E'\x1f', 1);
        one_kind := split_part(e_kind, E'\x1f', 1);
        INSERT INTO event (partition, position, stream, version, kind, data, at, hash)
        SELECT coalesce(n.partition, one_partition), n.position, coalesce(n.stream, one_stream), n.version,
               coalesce(n.kind, one_kind), n.data::json,
               timestamptz 'epoch' + n.at * interval '1 microsecond', decode(n.hash, 'hex')
          FROM (SELECT unnest(e_partition::smallint[]) AS partition, unnest(e_position::bigint[]) AS position,
                       unnest(joined(e_stream)) AS stream, unnest(e_version::bigint[]) AS version,
                       unnest(joined(e_kind)) AS kind, unnest(joined(e_data)) AS data, unnest(e_at::bigint[]) AS at,
                       unnest(joined(e_hash)) AS hash) AS n;
    ELSE
        PERFORM journal_fence(claimant, partitions, fences);
    END IF;

    IF m_position <> '{}' THEN
        one_partition := (m_partition::smallint[])[1];
        one_warehouse := split_part(m_warehouse, E'\x1f', 1);
        one_source := split_part(m_source, E'\x1f', 1);
        one_target := split_part(m_target, E'\x1f', 1);
        INSERT INTO stock_movement (partition, position, line, warehouse, sku, source, target, units)
        SELECT coalesce(n.partition, one_partition), n.position, n.line, coalesce(n.warehouse, one_warehouse), n.sku,
               coalesce(n.source, one_source), coalesce(n.target, one_target), n.units
          FROM (SELECT unnest(m_partition::smallint[]) AS partition, unnest(m_position::bigint[]) AS position,
                       unnest(m_line::smallint[]) AS line, unnest(joined(m_warehouse)) AS warehouse,
                       unnest(joined(m_sku)) AS sku, unnest(joined(m_source)) AS source,
                       unnest(joined(m_target)) AS target, unnest(m_units::bigint[]) AS units) AS n;

        one_partition := (b_partition::smallint[])[1];
        one_warehouse := split_part(b_warehouse, E'\x1f', 1);
        one_lot := split_part(b_lot, E'\x1f', 1);

        -- Not INSERT ... ON CONFLICT: its CHECKs would judge the difference instead of the balance. An account that
        -- the batch does not touch comes as an empty array. Nothing may be asked of `b` alone, not even its lot: with
        -- no condition but the join's, and sequential scans off, the planner has to look each row up by its key.
        UPDATE stock_balance AS b
           SET available = b.available + coalesce(n.available, 0), reserved = b.reserved + coalesce(n.reserved, 0),
               picked = b.picked + coalesce(n.picked, 0), quarantine = b.quarantine + coalesce(n.quarantine, 0),
               supplier = b.supplier + coalesce(n.supplier, 0), customer = b.customer + coalesce(n.customer, 0),
               count_ = b.count_ + coalesce(n.count_, 0), opening = b.opening + coalesce(n.opening, 0),
               transit = b.transit + coalesce(n.transit, 0)
          FROM (SELECT unnest(b_partition::smallint[]) AS partition, unnest(joined(b_warehouse)) AS warehouse,
                       unnest(joined(b_sku)) AS sku, unnest(joined(b_lot)) AS lot,
                       unnest(b_available::bigint[]) AS available, unnest(b_reserved::bigint[]) AS reserved,
                       unnest(b_picked::bigint[]) AS picked, unnest(b_quarantine::bigint[]) AS quarantine,
                       unnest(b_supplier::bigint[]) AS supplier, unnest(b_customer::bigint[]) AS customer,
                       unnest(b_count::bigint[]) AS count_, unnest(b_opening::bigint[]) AS opening,
                       unnest(b_transit::bigint[]) AS transit) AS n
         WHERE b.partition = coalesce(n.partition, one_partition) AND b.warehouse = coalesce(n.warehouse, one_warehouse)
           AND b.sku = n.sku AND b.lot = coalesce(n.lot, one_lot);
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(joined(b_sku)) THEN
            INSERT INTO stock_balance (partition, warehouse, sku, lot, available, reserved, picked, quarantine, supplier,
                                       customer, count_, opening, transit)
            SELECT coalesce(n.partition, one_partition), coalesce(n.warehouse, one_warehouse), n.sku,
                   coalesce(n.lot, one_lot), coalesce(n.available, 0), coalesce(n.reserved, 0),
                   coalesce(n.picked, 0), coalesce(n.quarantine, 0), coalesce(n.supplier, 0), coalesce(n.customer, 0),
                   coalesce(n.count_, 0), coalesce(n.opening, 0), coalesce(n.transit, 0)
              FROM unnest(b_partition::smallint[], joined(b_warehouse), joined(b_sku), joined(b_lot), b_available::bigint[],
                          b_reserved::bigint[], b_picked::bigint[], b_quarantine::bigint[], b_supplier::bigint[],
                          b_customer::bigint[], b_count::bigint[], b_opening::bigint[], b_transit::bigint[])
                   AS n (partition, warehouse, sku, lot, available, reserved, picked, quarantine, supplier, customer,
                         count_, opening, transit)
             WHERE NOT EXISTS (SELECT FROM stock_balance AS b
                                WHERE b.partition = coalesce(n.partition, one_partition)
                                  AND b.warehouse = coalesce(n.warehouse, one_warehouse) AND b.sku = n.sku
                                  AND b.lot = coalesce(n.lot, one_lot));
        END IF;
    END IF;

    IF o_position <> '{}' THEN
        one_partition := (o_partition::smallint[])[1];
        one_warehouse := split_part(o_warehouse, E'\x1f', 1);
        one_state := split_part(o_state, E'\x1f', 1);
        INSERT INTO fulfilment (partition, fulfilment, order_id, warehouse, state, closed_position, body, position)
        SELECT coalesce(n.partition, one_partition), n.fulfilment, n.order_id, coalesce(n.warehouse, one_warehouse),
               coalesce(n.state, one_state), n.closed, n.body::json, n.position
          FROM (SELECT unnest(o_partition::smallint[]) AS partition, unnest(joined(o_fulfilment)) AS fulfilment,
                       unnest(joined(o_order)) AS order_id, unnest(joined(o_warehouse)) AS warehouse,
                       unnest(joined(o_state)) AS state, unnest(o_closed::bigint[]) AS closed,
                       unnest(joined(o_body)) AS body, unnest(o_position::bigint[]) AS position) AS n;
    END IF;

    IF c_position <> '{}' THEN
        one_partition := (c_partition::smallint[])[1];
        one_warehouse := split_part(c_warehouse, E'\x1f', 1);
        one_state := split_part(c_state, E'\x1f', 1);
        UPDATE fulfilment AS f
           SET order_id = n.order_id, warehouse = coalesce(n.warehouse, one_warehouse),
               state = coalesce(n.state, one_state),
               closed_position = coalesce(f.closed_position, n.closed), body = n.body::json, position = n.position
          FROM (SELECT unnest(c_partition::smallint[]) AS partition, unnest(joined(c_fulfilment)) AS fulfilment,
                       unnest(joined(c_order)) AS order_id, unnest(joined(c_warehouse)) AS warehouse,
                       unnest(joined(c_state)) AS state, unnest(c_closed::bigint[]) AS closed,
                       unnest(joined(c_body)) AS body, unnest(c_position::bigint[]) AS position) AS n
         WHERE f.partition = coalesce(n.partition, one_partition) AND f.fulfilment = n.fulfilment;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(c_position::bigint[]) THEN
            RAISE EXCEPTION 'a fulfilment changed that was never reserved' USING ERRCODE = 'WF004';
        END IF;
    END IF;

    IF rest IS NOT NULL THEN
        PERFORM journal_project_rest(rest);
    END IF;
END
$$;

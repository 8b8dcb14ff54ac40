-- One call writes a whole batch: a writer that freezes cannot leave a transaction open in the middle.
--
-- Columns of the hot tables come as one text each: numbers as an array's literal, texts joined by the unit separator
-- (0x1f). That takes the client a tenth of the time that it takes it to send arrays, and the server no longer.
-- Errors: WF001 the lease is lost, WF002 somebody else wrote to the partition, WF003 a stream is at another version,
-- WF004 a row is missing that an earlier event must have made, WF005 an answer's key is taken.

CREATE FUNCTION joined(joined text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- string_to_array makes nothing of an empty text, where one empty text was sent. No batch sends no row this way.
    SELECT CASE WHEN joined = '' THEN ARRAY[''] ELSE string_to_array(joined, E'\x1f') END
$$;

-- Hold off every takeover of these partitions until this transaction ends, then look whether they are still ours.
CREATE FUNCTION journal_fence(claimant text, partitions smallint[], fences bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1464353106, p) FROM unnest(partitions) AS p;
    -- A statement of its own, and so a snapshot of its own: what a takeover committed while we waited is seen.
    SELECT count(*) INTO held
      FROM unnest(partitions, fences) AS claim (partition, fence)
      JOIN partition_lease AS l ON l.partition = claim.partition AND l.fence = claim.fence
     WHERE l.owner = claimant AND l.until > clock_timestamp();
    IF held <> cardinality(partitions) THEN
        RAISE EXCEPTION 'the lease of a partition is lost' USING ERRCODE = 'WF001';
    END IF;
END
$$;

CREATE FUNCTION journal_project_rest(rest json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    affected bigint;
    r record;
BEGIN
    -- Taken apart once: each `rest -> 'orders'` would read the whole text again.
    SELECT * INTO r FROM json_to_record(rest) AS t (
        orders json, backorders json, requested json, settled json, raised json, resolved json, slots json,
        deliveries json, beside json, answers json);
    IF r.orders IS NOT NULL THEN
        INSERT INTO order_index AS o (partition, order_id, channel, shop_order, reference, state, state_since, due_at,
                                      placed_at, waiting_for, version)
        SELECT n.partition, n.order_id, n.channel, n.shop_order, n.reference, n.state, n.state_since, n.due_at,
               n.placed_at, n.waiting_for, n.version
          FROM json_to_recordset(r.orders) AS n (
               partition smallint, order_id text, channel text, shop_order text, reference text, state text,
               state_since timestamptz, due_at timestamptz, placed_at timestamptz, waiting_for json, version bigint)
        ON CONFLICT (partition, order_id) DO UPDATE
           SET channel = EXCLUDED.channel, shop_order = EXCLUDED.shop_order, reference = EXCLUDED.reference,
               state = EXCLUDED.state, state_since = EXCLUDED.state_since, due_at = EXCLUDED.due_at,
               placed_at = EXCLUDED.placed_at, waiting_for = EXCLUDED.waiting_for, version = EXCLUDED.version;
        DELETE FROM backorder AS b
         USING json_to_recordset(r.orders) AS n (partition smallint, order_id text, waiting_skus text[])
         WHERE b.partition = n.partition AND b.order_id = n.order_id AND b.sku <> ALL (n.waiting_skus);
    END IF;
    IF r.backorders IS NOT NULL THEN
        INSERT INTO backorder AS b (partition, sku, order_id, units, placed_at)
        SELECT n.partition, n.sku, n.order_id, n.units, n.placed_at
          FROM json_to_recordset(r.backorders) AS n (
               partition smallint, sku text, order_id text, units bigint, placed_at timestamptz)
        ON CONFLICT (partition, order_id, sku) DO UPDATE SET units = EXCLUDED.units, placed_at = EXCLUDED.placed_at
         WHERE (b.units, b.placed_at) <> (EXCLUDED.units, EXCLUDED.placed_at);
    END IF;
    IF r.requested IS NOT NULL THEN
        INSERT INTO outbox (partition, effect, stream, partner, document, requested_at, position)
        SELECT n.partition, n.effect, n.stream, n.partner, n.document, n.requested_at, n.position
          FROM json_to_recordset(r.requested) AS n (
               partition smallint, effect text, stream text, partner text, document json, requested_at timestamptz,
               position bigint);
    END IF;
    IF r.settled IS NOT NULL THEN
        DELETE FROM outbox AS o
         USING json_to_recordset(r.settled) AS n (partition smallint, effect text)
         WHERE o.partition = n.partition AND o.effect = n.effect;
    END IF;
    IF r.raised IS NOT NULL THEN
        INSERT INTO anomaly AS a (partition, anomaly, stream, problem, detail, mend, raised_at, resolved_at, resolved_by)
        SELECT n.partition, n.anomaly, n.stream, n.problem, n.detail, n.mend, n.raised_at, n.resolved_at, n.resolved_by
          FROM json_to_recordset(r.raised) AS n (
               partition smallint, anomaly text, stream text, problem text, detail text, mend text,
               raised_at timestamptz, resolved_at timestamptz, resolved_by text)
        ON CONFLICT (partition, anomaly) DO UPDATE
           SET stream = EXCLUDED.stream, problem = EXCLUDED.problem, detail = EXCLUDED.detail, mend = EXCLUDED.mend,
               raised_at = EXCLUDED.raised_at, resolved_at = EXCLUDED.resolved_at, resolved_by = EXCLUDED.resolved_by;
    END IF;
    IF r.resolved IS NOT NULL THEN
        UPDATE anomaly AS a SET resolved_at = n.resolved_at, resolved_by = n.resolved_by
          FROM json_to_recordset(r.resolved) AS n (
               partition smallint, anomaly text, resolved_at timestamptz, resolved_by text)
         WHERE a.partition = n.partition AND a.anomaly = n.anomaly AND a.resolved_at IS NULL;
    END IF;
    IF r.slots IS NOT NULL THEN
        INSERT INTO slot (partition, warehouse, sku, slot)
        SELECT n.partition, n.warehouse, n.sku, n.slot
          FROM json_to_recordset(r.slots) AS n (partition smallint, warehouse text, sku text, slot text)
        ON CONFLICT (partition, warehouse, sku) DO UPDATE SET slot = EXCLUDED.slot WHERE slot.slot <> EXCLUDED.slot;
    END IF;
    IF r.deliveries IS NOT NULL THEN
        INSERT INTO delivery (partition, warehouse, delivery)
        SELECT n.partition, n.warehouse, n.delivery
          FROM json_to_recordset(r.deliveries) AS n (partition smallint, warehouse text, delivery text);
    END IF;
    IF r.beside IS NOT NULL THEN
        INSERT INTO beside (partition, id, kind, customer, salt, body)
        SELECT n.partition, n.id, n.kind, n.customer, decode(n.salt, 'base64'), decode(n.body, 'base64')
          FROM json_to_recordset(r.beside) AS n (
               partition smallint, id text, kind text, customer text, salt text, body text)
        ON CONFLICT (partition, id) DO NOTHING; -- the first copy is what an event named by its digest
    END IF;
    IF r.answers IS NOT NULL THEN
        -- A key may be used again once its answer is no longer given: 24 hours, as `KeyedAnswer` promises.
        INSERT INTO command_answer AS c (partition, stream, key, answer, at)
        SELECT n.partition, n.stream, n.key, decode(n.answer, 'base64'), n.at
          FROM json_to_recordset(r.answers) AS n (
               partition smallint, stream text, key text, answer text, at timestamptz)
        ON CONFLICT (partition, stream, key) DO UPDATE SET answer = EXCLUDED.answer, at = EXCLUDED.at
         WHERE c.at <= EXCLUDED.at - interval '24 hours';
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> json_array_length(r.answers) THEN
            RAISE EXCEPTION 'an idempotency key has been answered already' USING ERRCODE = 'WF005';
        END IF;
    END IF;
END
$$;

CREATE FUNCTION journal_append(
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
BEGIN
    PERFORM journal_fence(claimant, partitions, fences);

    SELECT n.stream INTO wrong
      FROM unnest(unsure_partitions, unsure_streams, unsure_versions) AS n (partition, stream, version)
     WHERE n.version <> coalesce((SELECT e.version FROM event AS e
                                   WHERE e.partition = n.partition AND e.stream = n.stream
                                   ORDER BY e.version DESC LIMIT 1), 0)
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'stream % is at another version', wrong USING ERRCODE = 'WF003';
    END IF;

    IF e_position <> '{}' THEN
        UPDATE partition_head AS h SET position = n.position, hash = n.hash
          FROM unnest(partitions, heads_before, heads_after, head_hashes) AS n (partition, before, position, hash)
         WHERE h.partition = n.partition AND h.position = n.before;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(partitions) THEN
            RAISE EXCEPTION 'somebody else wrote to a partition' USING ERRCODE = 'WF002';
        END IF;
        INSERT INTO event (partition, position, stream, version, kind, data, at, hash)
        SELECT n.partition, n.position, n.stream, n.version, n.kind, n.data::json,
               timestamptz 'epoch' + n.at * interval '1 microsecond', decode(n.hash, 'hex')
          FROM unnest(e_partition::smallint[], e_position::bigint[], joined(e_stream), e_version::bigint[],
                      joined(e_kind), joined(e_data), e_at::bigint[], joined(e_hash))
               AS n (partition, position, stream, version, kind, data, at, hash);
    END IF;

    IF m_position <> '{}' THEN
        INSERT INTO stock_movement (partition, position, line, warehouse, sku, source, target, units)
        SELECT n.partition, n.position, n.line, n.warehouse, n.sku, n.source, n.target, n.units
          FROM unnest(m_partition::smallint[], m_position::bigint[], m_line::smallint[], joined(m_warehouse),
                      joined(m_sku), joined(m_source), joined(m_target), m_units::bigint[])
               AS n (partition, position, line, warehouse, sku, source, target, units);

        -- Not INSERT ... ON CONFLICT: its CHECKs would judge the difference instead of the balance. An account that
        -- the batch does not touch comes as an empty array. Nothing may be asked of `b` alone, not even its lot: with
        -- no condition but the join's, and sequential scans off, the planner has to look each row up by its key.
        UPDATE stock_balance AS b
           SET available = b.available + coalesce(n.available, 0), reserved = b.reserved + coalesce(n.reserved, 0),
               picked = b.picked + coalesce(n.picked, 0), quarantine = b.quarantine + coalesce(n.quarantine, 0),
               supplier = b.supplier + coalesce(n.supplier, 0), customer = b.customer + coalesce(n.customer, 0),
               count_ = b.count_ + coalesce(n.count_, 0), opening = b.opening + coalesce(n.opening, 0),
               transit = b.transit + coalesce(n.transit, 0)
          FROM unnest(b_partition::smallint[], joined(b_warehouse), joined(b_sku), joined(b_lot), b_available::bigint[],
                      b_reserved::bigint[], b_picked::bigint[], b_quarantine::bigint[], b_supplier::bigint[],
                      b_customer::bigint[], b_count::bigint[], b_opening::bigint[], b_transit::bigint[])
               AS n (partition, warehouse, sku, lot, available, reserved, picked, quarantine, supplier, customer, count_,
                     opening, transit)
         WHERE b.partition = n.partition AND b.warehouse = n.warehouse AND b.sku = n.sku AND b.lot = n.lot;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(b_partition::smallint[]) THEN
            INSERT INTO stock_balance (partition, warehouse, sku, lot, available, reserved, picked, quarantine, supplier,
                                       customer, count_, opening, transit)
            SELECT n.partition, n.warehouse, n.sku, n.lot, coalesce(n.available, 0), coalesce(n.reserved, 0),
                   coalesce(n.picked, 0), coalesce(n.quarantine, 0), coalesce(n.supplier, 0), coalesce(n.customer, 0),
                   coalesce(n.count_, 0), coalesce(n.opening, 0), coalesce(n.transit, 0)
              FROM unnest(b_partition::smallint[], joined(b_warehouse), joined(b_sku), joined(b_lot), b_available::bigint[],
                          b_reserved::bigint[], b_picked::bigint[], b_quarantine::bigint[], b_supplier::bigint[],
                          b_customer::bigint[], b_count::bigint[], b_opening::bigint[], b_transit::bigint[])
                   AS n (partition, warehouse, sku, lot, available, reserved, picked, quarantine, supplier, customer,
                         count_, opening, transit)
             WHERE NOT EXISTS (SELECT FROM stock_balance AS b
                                WHERE b.partition = n.partition AND b.warehouse = n.warehouse AND b.sku = n.sku
                                  AND b.lot = n.lot);
        END IF;
    END IF;

    IF o_position <> '{}' THEN
        INSERT INTO fulfilment (partition, fulfilment, order_id, warehouse, state, closed_position, body, position)
        SELECT n.partition, n.fulfilment, n.order_id, n.warehouse, n.state, n.closed, n.body::json, n.position
          FROM unnest(o_partition::smallint[], joined(o_fulfilment), joined(o_order), joined(o_warehouse),
                      joined(o_state), o_closed::bigint[], joined(o_body), o_position::bigint[])
               AS n (partition, fulfilment, order_id, warehouse, state, closed, body, position);
    END IF;

    IF c_position <> '{}' THEN
        UPDATE fulfilment AS f
           SET order_id = n.order_id, warehouse = n.warehouse, state = n.state,
               closed_position = coalesce(f.closed_position, n.closed), body = n.body::json, position = n.position
          FROM unnest(c_partition::smallint[], joined(c_fulfilment), joined(c_order), joined(c_warehouse),
                      joined(c_state), c_closed::bigint[], joined(c_body), c_position::bigint[])
               AS n (partition, fulfilment, order_id, warehouse, state, closed, body, position)
         WHERE f.partition = n.partition AND f.fulfilment = n.fulfilment;
        GET DIAGNOSTICS affected = ROW_COUNT;
        IF affected <> cardinality(c_partition::smallint[]) THEN
            RAISE EXCEPTION 'a fulfilment changed that was never reserved' USING ERRCODE = 'WF004';
        END IF;
    END IF;

    IF rest IS NOT NULL THEN
        PERFORM journal_project_rest(rest);
    END IF;
END
$$;

-- What was under way when a person was forgotten (a label at a carrier, a changed address on its way from the shop) must not
-- outlive it: a row beside the log may name another with which it is erased, and comes empty once that one is. An erasure
-- waits for the appends under way, as a takeover does: so each of them is either seen by it or sees it.

CREATE FUNCTION journal_forget(person text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    affected bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1464353106, l.partition)
       FROM (SELECT partition FROM partition_lease ORDER BY partition) AS l;
    -- A statement of its own, and so a snapshot of its own: what was committed while we waited is seen.
    UPDATE beside SET salt = NULL, body = NULL, erased_at = clock_timestamp()
     WHERE customer = person AND erased_at IS NULL;
    GET DIAGNOSTICS affected = ROW_COUNT;
    RETURN affected;
END
$$;

-- As before, but for the rows beside the log.
CREATE OR REPLACE FUNCTION journal_project_rest(rest json) RETURNS void LANGUAGE plpgsql AS $$
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
        INSERT INTO beside (partition, id, kind, customer, salt, body, erased_at)
        SELECT n.partition, n.id, n.kind, n.customer, CASE WHEN n.erased_at IS NULL THEN decode(n.salt, 'base64') END,
               CASE WHEN n.erased_at IS NULL THEN decode(n.body, 'base64') END, n.erased_at
          FROM (SELECT n.*, (SELECT b.erased_at FROM beside AS b
                              WHERE b.partition = n.partition AND b.id = n.erased_with) AS erased_at
                  FROM json_to_recordset(r.beside) AS n (
                       partition smallint, id text, kind text, customer text, salt text, body text, erased_with text)
               ) AS n
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

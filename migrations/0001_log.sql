-- The log, who may write it, and the proof that only the next event follows the last.
--
-- Every primary key begins with `partition`; no foreign key and no unique constraint crosses partitions, so that the
-- whole schema can be spread by that column. Keys are compared byte by byte (COLLATE "C"): it is faster, and an upgrade of
-- the C library cannot change an order that an index relies on.

DO $$
BEGIN
    CREATE ROLE wharfinger_daemon NOLOGIN;
EXCEPTION
    -- Roles belong to the cluster: another database's migration, or an administrator, may have made it.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'wharfinger_daemon', 'MEMBER') THEN
        EXECUTE format('GRANT wharfinger_daemon TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO wharfinger_daemon', current_schema());
END
$$;

-- `hash` is SHA-256 over the previous event's hash (32 zero bytes before the first), then partition, position, stream,
-- version, kind and `at` in microseconds since 1970, each as text and closed by a zero byte, then the text of `data`.
-- `data` is json and not jsonb because the hash covers its exact text.
CREATE TABLE event (
    partition smallint NOT NULL CHECK (partition BETWEEN 0 AND 63),
    position bigint NOT NULL CHECK (position > 0),
    stream text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    kind text COLLATE "C" NOT NULL,
    data json NOT NULL,
    at timestamptz NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT event_pkey PRIMARY KEY (partition, position),
    CONSTRAINT event_stream_version UNIQUE (partition, stream, version)
);

-- Double entry: so many units of a SKU went from one account to another, because of that event.
CREATE TABLE stock_movement (
    partition smallint NOT NULL,
    position bigint NOT NULL,
    line smallint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    lot text COLLATE "C" NOT NULL DEFAULT '',
    source text COLLATE "C" NOT NULL,
    target text COLLATE "C" NOT NULL,
    units bigint NOT NULL CHECK (units > 0),
    CONSTRAINT stock_movement_pkey PRIMARY KEY (partition, position, line)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'WF009';
END
$$;

CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stock_movement_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where each partition's chain ends. It lets a daemon start without looking for the end, refuses two writers in the
-- database itself, and betrays events that were cut off the end of the log.
CREATE TABLE partition_head (
    partition smallint NOT NULL PRIMARY KEY,
    position bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO partition_head SELECT n, 0, decode(repeat('00', 32), 'hex') FROM generate_series(0, 63) AS n;

-- Who owns a partition, until when in this database's time. `fence` rises whenever the owner changes.
CREATE TABLE partition_lease (
    partition smallint NOT NULL PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO partition_lease SELECT n, '', 0, '-infinity' FROM generate_series(0, 63) AS n;

GRANT SELECT, INSERT ON event, stock_movement TO wharfinger_daemon;
GRANT SELECT ON schema_migration TO wharfinger_daemon;
GRANT SELECT, UPDATE ON partition_head, partition_lease TO wharfinger_daemon;

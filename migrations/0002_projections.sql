-- What follows from the events: rows that can be dropped and rebuilt. And what lies beside the log.

-- Where the units of a SKU stand. Conservation is checked here too: whatever comes in came from somewhere.
CREATE TABLE stock_balance (
    partition smallint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    lot text COLLATE "C" NOT NULL DEFAULT '',
    available bigint NOT NULL,
    reserved bigint NOT NULL,
    picked bigint NOT NULL,
    quarantine bigint NOT NULL,
    supplier bigint NOT NULL,
    customer bigint NOT NULL,
    count_ bigint NOT NULL,
    opening bigint NOT NULL,
    transit bigint NOT NULL,
    PRIMARY KEY (partition, warehouse, sku, lot),
    CONSTRAINT stock_balance_never_negative
        CHECK (available >= 0 AND reserved >= 0 AND picked >= 0 AND quarantine >= 0),
    CONSTRAINT stock_balance_conserved
        CHECK (available + reserved + picked + quarantine + supplier + customer + count_ + opening + transit = 0)
) WITH (fillfactor = 50); -- room on the page for the next versions of a row, so that no index is touched

-- A reservation as its warehouse keeps it. Closed ones stay: their key answers a late copy of the command.
-- `closed_position` is the position of the event that closed it; it is a column of its own, since an index on
-- `position` would make every scan of a barcode touch all indexes.
CREATE TABLE fulfilment (
    partition smallint NOT NULL,
    fulfilment text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    closed_position bigint,
    body json NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT fulfilment_pkey PRIMARY KEY (partition, fulfilment)
) WITH (fillfactor = 70);
CREATE INDEX fulfilment_open ON fulfilment (partition, warehouse) WHERE closed_position IS NULL;
CREATE INDEX fulfilment_closed ON fulfilment (partition, warehouse, closed_position)
    WHERE closed_position IS NOT NULL;

CREATE TABLE slot (
    partition smallint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    sku text COLLATE "C" NOT NULL,
    slot text COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, warehouse, sku)
);

CREATE TABLE delivery (
    partition smallint NOT NULL,
    warehouse text COLLATE "C" NOT NULL,
    delivery text COLLATE "C" NOT NULL,
    CONSTRAINT delivery_pkey PRIMARY KEY (partition, warehouse, delivery)
);

CREATE TABLE order_index (
    partition smallint NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    channel text COLLATE "C" NOT NULL,
    shop_order text COLLATE "C" NOT NULL,
    reference text NOT NULL,
    state text COLLATE "C" NOT NULL,
    state_since timestamptz NOT NULL,
    due_at timestamptz,
    placed_at timestamptz NOT NULL,
    waiting_for json NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (partition, order_id)
) WITH (fillfactor = 70);
CREATE INDEX order_index_due ON order_index (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX order_index_state ON order_index (state, placed_at);
CREATE INDEX order_index_shop_order ON order_index (channel, shop_order);

-- `order_index.waiting_for` turned around: who waits for how many units of this SKU, the first placed first.
CREATE TABLE backorder (
    partition smallint NOT NULL,
    sku text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    units bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    PRIMARY KEY (partition, order_id, sku)
);
CREATE INDEX backorder_sku ON backorder (sku, placed_at);

-- What partners have still to be told; a row goes when its outcome is recorded.
CREATE TABLE outbox (
    partition smallint NOT NULL,
    effect text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    partner text COLLATE "C" NOT NULL,
    document json NOT NULL,
    requested_at timestamptz NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (partition, effect)
);
CREATE INDEX outbox_partner ON outbox (partner, requested_at, partition, position);

CREATE TABLE anomaly (
    partition smallint NOT NULL,
    anomaly text COLLATE "C" NOT NULL,
    stream text COLLATE "C" NOT NULL,
    problem text NOT NULL,
    detail text NOT NULL,
    mend text NOT NULL,
    raised_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    PRIMARY KEY (partition, anomaly)
);
CREATE INDEX anomaly_open ON anomaly (raised_at) WHERE resolved_at IS NULL;

-- Personal data, the shops' raw payloads and labels: named by events through id and salted digest, and erasable.
CREATE TABLE beside (
    partition smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    customer text COLLATE "C" NOT NULL,
    salt bytea,
    body bytea,
    erased_at timestamptz,
    CONSTRAINT beside_pkey PRIMARY KEY (partition, id)
);
CREATE INDEX beside_id ON beside (id);
CREATE INDEX beside_customer ON beside (customer) WHERE erased_at IS NULL;

CREATE TABLE command_answer (
    partition smallint NOT NULL,
    stream text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    answer bytea NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT command_answer_pkey PRIMARY KEY (partition, stream, key)
);
CREATE INDEX command_answer_at ON command_answer (at);

CREATE TABLE cursor (
    partition smallint NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (partition, name)
);

GRANT SELECT, INSERT, UPDATE ON stock_balance, fulfilment, slot, order_index, anomaly, cursor TO wharfinger_daemon;
GRANT SELECT, INSERT ON delivery TO wharfinger_daemon;
GRANT SELECT, INSERT, DELETE ON outbox TO wharfinger_daemon;
GRANT SELECT, INSERT, UPDATE, DELETE ON backorder, command_answer TO wharfinger_daemon;
GRANT SELECT, INSERT, UPDATE (salt, body, erased_at) ON beside TO wharfinger_daemon;

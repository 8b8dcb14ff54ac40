"""The plain connector's tables and statements."""

from typing import Final

SCHEMA: Final = """
CREATE TABLE shop_order (
    id text PRIMARY KEY, reference text NOT NULL, state text NOT NULL, placed_at timestamptz NOT NULL,
    currency text NOT NULL, total numeric NOT NULL, country text NOT NULL, changed_at timestamptz NOT NULL
);
CREATE INDEX shop_order_state ON shop_order (state, changed_at);
CREATE TABLE order_line (
    order_id text, line text, sku text NOT NULL, units bigint NOT NULL, picked bigint NOT NULL DEFAULT 0,
    unit_price numeric NOT NULL, PRIMARY KEY (order_id, line)
);
CREATE TABLE person (id text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE payload (id text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE balance (
    warehouse text, sku text, available bigint NOT NULL CHECK (available >= 0),
    reserved bigint NOT NULL CHECK (reserved >= 0), picked bigint NOT NULL CHECK (picked >= 0),
    PRIMARY KEY (warehouse, sku)
) WITH (fillfactor = 50);
CREATE TABLE movement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text NOT NULL, sku text NOT NULL,
    source text NOT NULL, target text NOT NULL, units bigint NOT NULL, at timestamptz NOT NULL
);
CREATE TABLE reservation (order_id text PRIMARY KEY, warehouse text NOT NULL, state text NOT NULL);
CREATE TABLE cursor (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO cursor VALUES ('main', '');
CREATE TABLE parcel (
    id text PRIMARY KEY, order_id text NOT NULL, weight_g int NOT NULL, tracking text, label bytea
);
CREATE INDEX parcel_order ON parcel (order_id);
CREATE TABLE outbox (
    id text PRIMARY KEY, order_id text NOT NULL, partner text NOT NULL, document json NOT NULL
);
CREATE TABLE history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id text NOT NULL, step text NOT NULL,
    detail text NOT NULL, at timestamptz NOT NULL
);
"""

STATEMENTS: Final = {
    "import": "INSERT INTO shop_order VALUES ($1, $2, 'new', $3, $4, $5, $6, $7)",
    "lines": "INSERT INTO order_line (order_id, line, sku, units, unit_price)"
    " SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::numeric[])",
    "person": "INSERT INTO person VALUES ($1, $2)",
    "payload": "INSERT INTO payload VALUES ($1, $2)",
    "lock": "SELECT * FROM shop_order WHERE id = $1 FOR UPDATE",
    "lines_of": "SELECT line, sku, units, unit_price FROM order_line WHERE order_id = $1 ORDER BY sku",
    "cursor": "UPDATE cursor SET value = $2 WHERE name = $1",
    "reservation": "INSERT INTO reservation VALUES ($1, $2, $3)",
    "reservation_on": "UPDATE reservation SET state = $2 WHERE order_id = $1",
    "who": "SELECT body FROM person WHERE id = $1",
    "parcels": "SELECT id, tracking FROM parcel WHERE order_id = $1",
    "move_on": "UPDATE shop_order SET state = $2, changed_at = $3 WHERE id = $1",
    "balances": "SELECT sku, available, reserved, picked FROM balance WHERE warehouse = $1 AND sku = ANY ($2)"
    " ORDER BY sku FOR UPDATE",
    "reserve": "UPDATE balance AS b SET available = available - n.units, reserved = reserved + n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "pick": "UPDATE balance AS b SET reserved = reserved - n.units, picked = picked + n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "ship": "UPDATE balance AS b SET picked = picked - n.units"
    " FROM unnest($2::text[], $3::bigint[]) AS n (sku, units) WHERE b.warehouse = $1 AND b.sku = n.sku",
    "picked": "UPDATE order_line SET picked = picked + $3 WHERE order_id = $1 AND sku = $2",
    "moved": "INSERT INTO movement (order_id, sku, source, target, units, at)"
    " SELECT $1, n.sku, $4, $5, n.units, $6 FROM unnest($2::text[], $3::bigint[]) AS n (sku, units)",
    "parcel": "INSERT INTO parcel VALUES ($1, $2, $3)",
    "labelled": "UPDATE parcel SET tracking = $2, label = $3 WHERE id = $1",
    "ask": "INSERT INTO outbox SELECT n.id, $1, n.partner, n.document::json"
    " FROM unnest($2::text[], $3::text[], $4::text[]) AS n (id, partner, document)",
    "told": "SELECT document FROM outbox WHERE id = $1",
    "settle": "DELETE FROM outbox WHERE id = $1",
    "known": "SELECT 1 FROM shop_order WHERE id = $1",
    "history": "INSERT INTO history (order_id, step, detail, at) VALUES ($1, $2, $3, $4)",
}

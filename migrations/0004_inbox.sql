-- Messages for actors that live in another daemon: asked by whoever, answered by the owner of the partition.
--
-- `id` is the command's idempotency key: who asks again waits for the same answer. NOTIFY only wakes up; the rows are
-- what counts. `number` is the order in which they are handed over.
CREATE TABLE inbox (
    partition smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    address text COLLATE "C" NOT NULL,
    message bytea NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    answer bytea,
    answered_at timestamptz,
    PRIMARY KEY (partition, id)
);
CREATE INDEX inbox_open ON inbox (partition, number) WHERE answered_at IS NULL;
CREATE INDEX inbox_answered ON inbox (answered_at) WHERE answered_at IS NOT NULL;

GRANT SELECT, INSERT, UPDATE (answer, answered_at), DELETE ON inbox TO wharfinger_daemon;

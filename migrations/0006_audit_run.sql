-- When the log was audited, and what came of it: the audit is a process of its own, and the daemon's metrics tell its age.
-- A row a night; `partition` is 0, as an audit is of all of them and every key begins with one.
CREATE TABLE audit_run (
    partition smallint NOT NULL DEFAULT 0,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ok boolean NOT NULL,
    events bigint NOT NULL,
    oversold_units bigint NOT NULL,
    findings bigint NOT NULL,
    PRIMARY KEY (partition, at)
);

GRANT SELECT, INSERT ON audit_run TO wharfinger_daemon;

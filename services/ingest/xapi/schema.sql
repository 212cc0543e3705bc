-- The statements that were taken, so that the same id with other content can be refused as the
-- standard wants it. May be lost: then the events' own ids tell.
CREATE SCHEMA IF NOT EXISTS ingest_work;

CREATE TABLE IF NOT EXISTS ingest_work.xapi_statement (
    organization_id text NOT NULL,
    statement_id uuid NOT NULL,
    content bytea NOT NULL, -- keyed hash of what was sent
    taken_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, statement_id)
);

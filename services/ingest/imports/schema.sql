-- Imports that wait, run or are over, and the report of each. The files themselves are on disk.
CREATE SCHEMA IF NOT EXISTS ingest_work;

CREATE TABLE IF NOT EXISTS ingest_work.import (
    import_id uuid PRIMARY KEY,
    organization_id text NOT NULL,
    role text NOT NULL,
    key_id text NOT NULL,
    mapping text NOT NULL,
    mapping_name text NOT NULL,
    file_name text NOT NULL,
    dry_run boolean NOT NULL,
    encoding text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    bytes_total bigint NOT NULL,
    bytes_done bigint NOT NULL DEFAULT 0,
    row_done bigint NOT NULL DEFAULT 0, -- all up to this row number is written and counted
    counts jsonb NOT NULL DEFAULT '{}',
    problem text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE INDEX IF NOT EXISTS import_open ON ingest_work.import (created_at)
    WHERE state IN ('queued', 'running');

CREATE TABLE IF NOT EXISTS ingest_work.import_note (
    note_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    import_id uuid NOT NULL REFERENCES ingest_work.import ON DELETE CASCADE,
    row_number bigint NOT NULL,
    severity text NOT NULL,
    event_type text NOT NULL,
    column_name text NOT NULL,
    rule text NOT NULL,
    reason text NOT NULL,
    fix text NOT NULL,
    value text NOT NULL
);

CREATE INDEX IF NOT EXISTS import_note_of ON ingest_work.import_note (import_id, note_id);

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
    state text NOT NULL DEFAULT 'queued',
    bytes_total bigint NOT NULL,
    bytes_done bigint NOT NULL DEFAULT 0,
    row_done bigint NOT NULL DEFAULT 0, -- all up to this row number is written and counted
    counts jsonb NOT NULL DEFAULT '{}',
    problem text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

ALTER TABLE ingest_work.import
    ADD COLUMN IF NOT EXISTS sha256 text NOT NULL DEFAULT '', -- of the file, in hex
    ADD COLUMN IF NOT EXISTS columns text[] NOT NULL DEFAULT '{}', -- of the file, in its order
    ADD COLUMN IF NOT EXISTS guessed jsonb NOT NULL DEFAULT '[]', -- of a dry run: types by column
    ADD COLUMN IF NOT EXISTS busy_s double precision NOT NULL DEFAULT 0, -- spent on rows so far
    ADD COLUMN IF NOT EXISTS refused_bytes bigint NOT NULL DEFAULT 0; -- kept of refused rows

ALTER TABLE ingest_work.import DROP CONSTRAINT IF EXISTS import_state_check;
ALTER TABLE ingest_work.import ADD CONSTRAINT import_state_check
    CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled'));

CREATE INDEX IF NOT EXISTS import_open ON ingest_work.import (created_at)
    WHERE state IN ('queued', 'running');

CREATE INDEX IF NOT EXISTS import_of ON ingest_work.import (organization_id, import_id);

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

ALTER TABLE ingest_work.import_note ADD COLUMN IF NOT EXISTS line_number bigint NOT NULL DEFAULT 0;

-- Refused rows as they stood in the file, sealed under the master key, for some days.
CREATE TABLE IF NOT EXISTS ingest_work.import_refused (
    import_id uuid NOT NULL REFERENCES ingest_work.import ON DELETE CASCADE,
    row_number bigint NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (import_id, row_number)
);

-- What a dry run has met so far: the events of the file, and the people they are about.
CREATE UNLOGGED TABLE IF NOT EXISTS ingest_work.import_rehearsed (
    import_id uuid NOT NULL,
    event_id uuid NOT NULL,
    place bigint NOT NULL, -- of the first event of this id in the file
    content bytea NOT NULL,
    PRIMARY KEY (import_id, event_id)
);

CREATE UNLOGGED TABLE IF NOT EXISTS ingest_work.import_person (
    import_id uuid NOT NULL,
    record_index bytea NOT NULL,
    known boolean NOT NULL,
    PRIMARY KEY (import_id, record_index)
);

-- What can't be derived from the log: keys, blind indexes, secrets of systems. Back it up apart.
CREATE SCHEMA IF NOT EXISTS vault;

CREATE TABLE IF NOT EXISTS vault.access_key (
    key_id text PRIMARY KEY,
    secret_sha256 bytea NOT NULL,
    role text NOT NULL,
    subject text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- One data key per worker and part of the record, wrapped by the master key.
CREATE TABLE IF NOT EXISTS vault.worker_key (
    key_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    category text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (worker_id, category)
);

-- Whose record it is, by a keyed hash of the source's own number for the person.
CREATE TABLE IF NOT EXISTS vault.source_record (
    source text NOT NULL,
    record_index bytea NOT NULL,
    worker_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, record_index)
);

CREATE TABLE IF NOT EXISTS vault.connection_secret (
    connection_id text PRIMARY KEY,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The key to the receiver's own system, where its connector asks for one. Sealed as well.
ALTER TABLE vault.connection_secret ADD COLUMN IF NOT EXISTS sealed_token bytea;

-- The people who have a record here. `registered_at` is null until WorkerRegistered is on the log.
CREATE TABLE IF NOT EXISTS vault.worker (
    worker_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    registered_at timestamptz
);

-- One-time codes with which people take up their record. `lookup` finds the row, the rest proves.
CREATE TABLE IF NOT EXISTS vault.claim (
    lookup text PRIMARY KEY,
    code_index bytea NOT NULL,
    worker_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    claimed_at timestamptz
);
CREATE INDEX IF NOT EXISTS claim_worker ON vault.claim (worker_id);

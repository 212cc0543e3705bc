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
-- The key somebody signed in with, where this one was made for the log-in.
ALTER TABLE vault.access_key ADD COLUMN IF NOT EXISTS signed_in_with text;
CREATE INDEX IF NOT EXISTS access_key_log_in ON vault.access_key (signed_in_with)
    WHERE signed_in_with IS NOT NULL;

-- A log-in ends with the key it began with, also one that began while that was being revoked.
CREATE OR REPLACE VIEW vault.live_key AS
SELECT k.key_id, k.secret_sha256, k.role, k.subject
FROM vault.access_key k LEFT JOIN vault.access_key first ON first.key_id = k.signed_in_with
WHERE k.revoked_at IS NULL AND first.revoked_at IS NULL;

-- What wraps data keys and the hub's secrets; itself wrapped by the master key `master_id`, which
-- its custodian keeps. A second row is there only while the master key is being rotated.
CREATE TABLE IF NOT EXISTS vault.key_encryption_key (
    kek_id uuid PRIMARY KEY,
    master_id text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retired_at timestamptz
);

-- Secrets that stay when the master key changes: for indexes, pseudonyms, and systems' secrets.
CREATE TABLE IF NOT EXISTS vault.hub_secret (
    name text PRIMARY KEY,
    kek_id uuid NOT NULL REFERENCES vault.key_encryption_key,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

DO $$ BEGIN
    IF EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'vault'
               AND table_name = 'worker_key' AND column_name = 'category') THEN
        RAISE 'this vault was made before 0.1 and can''t be read: start anew, `throughline reset`';
    END IF;
END $$;

-- One data key per worker and group of categories. The reference keeps a key-encryption key from
-- going while anything is wrapped by it.
CREATE TABLE IF NOT EXISTS vault.worker_key (
    key_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    key_group text NOT NULL,
    kek_id uuid NOT NULL REFERENCES vault.key_encryption_key,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (worker_id, key_group)
);
CREATE INDEX IF NOT EXISTS worker_key_kek ON vault.worker_key (kek_id);

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
-- The call that used the code, by its Idempotency-Key, and the access key that it was answered: the
-- same call again gets another one in its place, for the answer may have been lost.
ALTER TABLE vault.claim ADD COLUMN IF NOT EXISTS call_index bytea;
ALTER TABLE vault.claim ADD COLUMN IF NOT EXISTS key_id text;

-- A merged id stands for the one that its story goes on under; never a chain.
ALTER TABLE vault.worker ADD COLUMN IF NOT EXISTS merged_into uuid;
CREATE INDEX IF NOT EXISTS worker_merged ON vault.worker (merged_into)
    WHERE merged_into IS NOT NULL;

-- `link_id` names the link of a record to its worker and is new with each link. The worker that was
-- first made for the record stands for whoever the record belongs to now.
ALTER TABLE vault.source_record ADD COLUMN IF NOT EXISTS link_id uuid NOT NULL
    DEFAULT gen_random_uuid();
ALTER TABLE vault.source_record ADD COLUMN IF NOT EXISTS linked_at timestamptz NOT NULL
    DEFAULT now();
ALTER TABLE vault.source_record ADD COLUMN IF NOT EXISTS first_worker_id uuid;
CREATE INDEX IF NOT EXISTS source_record_first ON vault.source_record (first_worker_id)
    WHERE first_worker_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS source_record_worker ON vault.source_record (worker_id);

-- Whose address organisations say it is, by a keyed hash of the address.
CREATE TABLE IF NOT EXISTS vault.given_contact (
    contact_index bytea NOT NULL,
    source text NOT NULL,
    worker_id uuid NOT NULL,
    given_at timestamptz NOT NULL,
    PRIMARY KEY (contact_index, source, worker_id)
);
CREATE INDEX IF NOT EXISTS given_contact_worker ON vault.given_contact (worker_id);

-- Addresses that a person has shown to be able to read, and the codes by which that is shown.
CREATE TABLE IF NOT EXISTS vault.verified_contact (
    worker_id uuid NOT NULL,
    contact_index bytea NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (worker_id, contact_index)
);
CREATE TABLE IF NOT EXISTS vault.contact_check (
    check_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    contact_index bytea NOT NULL,
    code_index bytea NOT NULL,
    asked_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    verified_at timestamptz
);

-- What ingest remembers of the events it was given. May be lost: then a re-send is written again,
-- and `story` drops the repeat.
CREATE SCHEMA IF NOT EXISTS ingest_work;

-- An event id is reserved before its event is produced; `log_offset` is null until it is on the log.
-- Every row is updated once, so half of each page is left free for that.
CREATE TABLE IF NOT EXISTS ingest_work.reservation (
    event_id uuid PRIMARY KEY,
    content bytea NOT NULL,
    held_by uuid NOT NULL,
    held_until timestamptz NOT NULL,
    topic text,
    partition integer,
    log_offset bigint
) WITH (fillfactor = 50);

-- Calls that came with an Idempotency-Key, and what was answered (`body`, sealed); `status` is null
-- while under way.
CREATE TABLE IF NOT EXISTS ingest_work.call (
    subject text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    held_by uuid NOT NULL,
    held_until timestamptz NOT NULL,
    forget_at timestamptz NOT NULL,
    status integer,
    media_type text,
    body bytea,
    PRIMARY KEY (subject, key)
);
CREATE INDEX IF NOT EXISTS call_forget_at ON ingest_work.call (forget_at);

-- Records of other systems' topics that were not taken, and why.
CREATE TABLE IF NOT EXISTS ingest_work.source_reject (
    source text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    reason text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, log_offset, reason)
);

-- Sources that read nothing now, since when, and what for; true until a while after the next try.
CREATE TABLE IF NOT EXISTS ingest_work.source_wait (
    source text PRIMARY KEY,
    since timestamptz NOT NULL,
    why text NOT NULL,
    next_try_at timestamptz NOT NULL
);

-- Versions of sharing agreements as they were signed over HTTP; `position` is null until the event
-- is on the log. Lost, they are read again from the log (`services.common.agreements_on_file`).
CREATE TABLE IF NOT EXISTS ingest_work.agreement (
    organization_id text NOT NULL,
    agreement_id text NOT NULL,
    version integer NOT NULL,
    other_party text NOT NULL,
    sends text[] NOT NULL,
    receives text[] NOT NULL,
    purposes text[] NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    ended boolean NOT NULL,
    document_sha256 text,
    signed_at timestamptz NOT NULL,
    event bytea NOT NULL,
    position text,
    PRIMARY KEY (agreement_id, version)
);
CREATE INDEX IF NOT EXISTS agreement_organization ON ingest_work.agreement (organization_id);
CREATE TABLE IF NOT EXISTS ingest_work.agreements_restored (topic text PRIMARY KEY);

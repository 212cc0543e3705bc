"""The tables of the engine itself, which every read model has beside its declared ones."""

from __future__ import annotations

from typing import Final

# What was said, and what of it does not count.
LOGS: Final = """
CREATE TABLE IF NOT EXISTS {schema}.story (
    worker_id uuid NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    log_offset bigint NOT NULL,
    partition integer NOT NULL,
    schema_id integer NOT NULL,
    topic text NOT NULL,
    event_type text NOT NULL,
    category text NOT NULL,
    source text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (worker_id, event_id)
);
COMMENT ON TABLE {schema}.story IS
    'Every event about a person, once. payload is the Avro datum; sealed fields are still sealed.';

CREATE TABLE IF NOT EXISTS {schema}.set_aside (
    LIKE {schema}.story, why text NOT NULL, PRIMARY KEY (worker_id, event_id)
);
COMMENT ON TABLE {schema}.set_aside IS
    'Events on the log that are not part of the story: void, superseded, or of a story that moved.';
CREATE INDEX IF NOT EXISTS set_aside_place ON {schema}.set_aside (topic, partition, log_offset);

CREATE TABLE IF NOT EXISTS {schema}.void (
    worker_id uuid NOT NULL,
    event_id uuid NOT NULL,
    source text NOT NULL,
    void_event_id uuid NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (worker_id, event_id, void_event_id)
);
COMMENT ON TABLE {schema}.void IS
    'Events that do not count, whether they are on the log yet or not, who said so, and why:
    void or superseded.';

CREATE TABLE IF NOT EXISTS {schema}.moved (worker_id uuid PRIMARY KEY);
COMMENT ON TABLE {schema}.moved IS 'Workers whose story goes on under another id.';

CREATE TABLE IF NOT EXISTS {schema}.erased (
    worker_id uuid NOT NULL,
    event_id uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    categories text[] NOT NULL,
    PRIMARY KEY (worker_id, event_id)
);
COMMENT ON TABLE {schema}.erased IS
    'Workers of whom nothing is kept, or nothing of some categories that was recorded until then.
    What comes of them later, or again, is left out.';

CREATE TABLE IF NOT EXISTS {schema}.directory_event (
    organization_id text NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    log_offset bigint NOT NULL,
    partition integer NOT NULL,
    schema_id integer NOT NULL,
    topic text NOT NULL,
    event_type text NOT NULL,
    category text NOT NULL,
    source text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (organization_id, event_id)
);
COMMENT ON TABLE {schema}.directory_event IS 'Every event about an organisation, once.';
"""

# How far the tables are, what waits, and what was left out.
BOOKKEEPING: Final = """
CREATE TABLE IF NOT EXISTS {schema}.stream_position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    advanced_at timestamptz NOT NULL DEFAULT now(),
    records bigint NOT NULL DEFAULT 0,
    taken bigint NOT NULL DEFAULT 0,
    taken_sum numeric(20) NOT NULL DEFAULT 0,
    repeats bigint NOT NULL DEFAULT 0,
    parked bigint NOT NULL DEFAULT 0,
    erased bigint NOT NULL DEFAULT 0,
    dropped bigint NOT NULL DEFAULT 0,
    strays bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition),
    CHECK (records = taken + repeats + parked + erased + dropped + strays)
) WITH (fillfactor = 20);
COMMENT ON TABLE {schema}.stream_position IS
    'The tables hold every record before next_offset, each counted once. taken_sum adds up the
    hashes of what was taken, modulo 2^64. Topics are named without their prefix.';

CREATE TABLE IF NOT EXISTS {schema}.left_out (
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    why text NOT NULL,
    owner bytea,
    event_id uuid,
    hash bigint NOT NULL,
    PRIMARY KEY (topic, partition, log_offset)
);
COMMENT ON TABLE {schema}.left_out IS
    'Records before next_offset that are kept nowhere, and why: repeat, erased, dropped, stray.';
CREATE INDEX IF NOT EXISTS left_out_owner ON {schema}.left_out (owner) WHERE owner IS NOT NULL;

CREATE TABLE IF NOT EXISTS {schema}.verified (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    differences bigint NOT NULL,
    verified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE {schema}.verified IS
    'When these tables were last compared with the log, up to where, and what differed.';

CREATE TABLE IF NOT EXISTS {schema}.parked (
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    owner bytea,
    worker_id uuid,
    reason text NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, log_offset)
);
COMMENT ON TABLE {schema}.parked IS
    'Records that could not be read, and later records of the same owner, which wait in order.';
CREATE INDEX IF NOT EXISTS parked_owner ON {schema}.parked (owner);
CREATE INDEX IF NOT EXISTS parked_worker ON {schema}.parked (worker_id);

-- What no log says: it outlasts a rebuild, and is backed up.
CREATE SCHEMA IF NOT EXISTS vault;
CREATE TABLE IF NOT EXISTS vault.dropped_record (
    topic text NOT NULL,
    partition integer NOT NULL,
    log_offset bigint NOT NULL,
    reason text NOT NULL,
    dropped_by text NOT NULL,
    dropped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, log_offset)
);
COMMENT ON TABLE vault.dropped_record IS
    'Records that can never be read, which an operator let go of. A rebuild leaves them out again.';

CREATE TABLE IF NOT EXISTS {schema}.declaration (
    fingerprint text NOT NULL PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {schema}.declaration IS 'What the tables were made from.';
"""

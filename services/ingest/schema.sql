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

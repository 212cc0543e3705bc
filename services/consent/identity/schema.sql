-- Merges and splits, and how far each has come. Not to be lost: one under way would never end.
CREATE TABLE IF NOT EXISTS consent.identity_move (
    move_id uuid PRIMARY KEY,
    kind text NOT NULL, -- claim, merge or split
    from_worker_id uuid NOT NULL,
    into_worker_id uuid NOT NULL,
    why text NOT NULL, -- the evidence of a claim or merge, the reason of a split
    -- The record that leaves, and its link that ends, for a split.
    source text,
    record_index bytea,
    link_id uuid,
    asked_at timestamptz NOT NULL,
    -- Where the partitions of the old id ended when ingest had the new one.
    partition integer,
    story_end bigint,
    delivery_end bigint,
    events integer, -- written again; null until all are
    old_position text, -- of the last event under the old id
    position text, -- and under the other
    ended_at timestamptz
);
CREATE INDEX IF NOT EXISTS identity_move_open ON consent.identity_move (asked_at)
    WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS identity_move_from ON consent.identity_move (from_worker_id);

-- Up to here, what came under ids that are no longer used has been written again.
CREATE TABLE IF NOT EXISTS consent.straggler_position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
CREATE INDEX IF NOT EXISTS identity_move_into ON consent.identity_move (into_worker_id);

-- What a person said of a record that an organisation has under one of the person's addresses.
CREATE TABLE IF NOT EXISTS consent.suggestion_answer (
    worker_id uuid NOT NULL,
    suggested_worker_id uuid NOT NULL,
    source text NOT NULL,
    mine boolean NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (worker_id, suggested_worker_id, source)
);
CREATE INDEX IF NOT EXISTS suggestion_answer_source ON consent.suggestion_answer (source)
    WHERE mine;

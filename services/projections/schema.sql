-- Working state of a rebuild of the read model. It may be lost: how far the tables beside those in
-- use are stands beside their rows, and `throughline rebuild start` finds them again.
CREATE SCHEMA IF NOT EXISTS projections_work;

CREATE TABLE IF NOT EXISTS projections_work.rebuild (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    is_switched boolean NOT NULL DEFAULT false,  -- then the former tables are those that stand beside
    is_changed boolean NOT NULL,                 -- the two are of different declarations
    is_paused boolean NOT NULL DEFAULT false,
    rate integer CHECK (rate > 0),               -- records a second at most; null: as fast as it goes
    asked_by text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    switched_at timestamptz,
    -- What a builder last said of the tables that stand beside, and of the log.
    log_records bigint NOT NULL DEFAULT 0,
    read_records bigint NOT NULL DEFAULT 0,
    records_per_s double precision NOT NULL DEFAULT 0,
    told_at timestamptz,
    comparison jsonb,
    compared_at timestamptz
);

-- What operators ordered, kept as the record of who did what.
CREATE TABLE IF NOT EXISTS projections_work.rebuild_step (
    step_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step text NOT NULL CHECK
        (step IN ('start', 'rate', 'pause', 'resume', 'compare', 'switch', 'undo', 'drop')),
    rate integer CHECK (rate > 0),
    anyway boolean NOT NULL DEFAULT false,  -- do it though there is something to say against it
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    begun_at timestamptz,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'refused', 'failed')),
    code text,                              -- why it was refused, for pages in other languages
    told text
);
CREATE INDEX IF NOT EXISTS rebuild_step_waits
    ON projections_work.rebuild_step (step_id) WHERE begun_at IS NULL;

-- What operators replayed or dropped of parked records, and what became of it.
CREATE TABLE IF NOT EXISTS projections_work.replay (
    replay_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text,               -- whose records: a worker's or an organisation's id
    position text,            -- of the one record, where its key names nobody or it was dropped
    asked_by text NOT NULL,
    replayed_at timestamptz NOT NULL DEFAULT now(),
    taken integer NOT NULL,
    left_out integer NOT NULL,
    still integer NOT NULL,
    stopped_at text,
    why text
);

-- `promises` follows from the log and can be dropped; the worker reads the log again then and says
-- nothing twice. `promises_work` is working state: lost, a repeated call is a second event.
CREATE SCHEMA IF NOT EXISTS promises;
CREATE SCHEMA IF NOT EXISTS promises_work;

-- Every record before next_offset has been taken in. This, not the group's offset, is the truth.
CREATE TABLE IF NOT EXISTS promises.position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- How far releases have read that know all event types of `types_version`. An older release moves
-- next_offset alone; what it read is read again by who knows more.
ALTER TABLE promises.position ADD COLUMN IF NOT EXISTS types_version integer NOT NULL DEFAULT 0;
ALTER TABLE promises.position ADD COLUMN IF NOT EXISTS types_offset bigint NOT NULL DEFAULT 0;

-- What promises are decided by: unsealed fields of the events that can matter to one.
CREATE TABLE IF NOT EXISTS promises.fact (
    worker_id uuid NOT NULL,
    event_id uuid NOT NULL,
    name text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    source text NOT NULL,
    supersedes uuid,
    fields jsonb NOT NULL,
    PRIMARY KEY (worker_id, event_id)
);

-- One row per promise: how it stands, the time that was let in, and what was said of it.
CREATE TABLE IF NOT EXISTS promises.promise (
    worker_id uuid NOT NULL,
    promise_id text NOT NULL,
    partition integer NOT NULL,
    employer_id text NOT NULL,
    pathway_id text NOT NULL,
    pathway_version integer NOT NULL,
    outcome text NOT NULL,
    due_in_days integer NOT NULL,
    criteria text[] NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL, -- made, declined, withdrawn, accepted, due, kept, lapsed, kept_late
    accepted_at timestamptz,
    declined_at timestamptz,
    met_at timestamptz[] NOT NULL, -- one for each criterion
    due_at timestamptz,
    outcome_at timestamptz,
    lapsed_at timestamptz,
    let_in timestamptz[] NOT NULL, -- instants that have passed for this promise
    wake_at timestamptz, -- the first that waits to
    said jsonb NOT NULL,
    PRIMARY KEY (worker_id, promise_id)
);
ALTER TABLE promises.promise ADD COLUMN IF NOT EXISTS withdrawn_at timestamptz;
CREATE INDEX IF NOT EXISTS fact_dispute ON promises.fact (worker_id, (fields->>'promise_id'))
    WHERE name = 'PromiseDisputed';
CREATE INDEX IF NOT EXISTS promise_employer ON promises.promise (employer_id, made_at);
CREATE INDEX IF NOT EXISTS promise_wakes ON promises.promise (partition, wake_at)
    WHERE wake_at IS NOT NULL;

-- Events of this service on their way to the log. A row stays, so that nothing is said twice.
CREATE TABLE IF NOT EXISTS promises.outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    worker_id uuid NOT NULL,
    partition integer NOT NULL,
    value bytea, -- until it is published
    published boolean NOT NULL DEFAULT false
);
CREATE INDEX IF NOT EXISTS outbox_unpublished ON promises.outbox (partition, outbox_id)
    WHERE NOT published;

-- Events that came in here over HTTP, by what they are about: the same again is the same event.
CREATE TABLE IF NOT EXISTS promises_work.written (
    subject text PRIMARY KEY,
    key bytea NOT NULL,
    value bytea NOT NULL,
    position text -- null until it is on the log
);

-- Versions of pathways that were given out, so that two publications never get the same one.
CREATE TABLE IF NOT EXISTS promises_work.pathway (
    organization_id text NOT NULL,
    pathway_id text NOT NULL,
    version integer NOT NULL,
    content jsonb NOT NULL,
    PRIMARY KEY (organization_id, pathway_id, version)
);

-- `delivery` follows from the log; `delivery_work` is working state: lost, receivers get things
-- again under the same message ids.
CREATE SCHEMA IF NOT EXISTS delivery;
CREATE SCHEMA IF NOT EXISTS delivery_work;

-- Every record before next_offset has been matched. This, not the group's offset, is the truth.
CREATE TABLE IF NOT EXISTS delivery.position (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- Grants in log order. A grant covers what stands after granted_offset and before withdrawn_offset
-- on the worker's partition, once it has started.
CREATE TABLE IF NOT EXISTS delivery.grant_view (
    grant_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    categories text[] NOT NULL,
    purposes text[] NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    partition integer NOT NULL,
    granted_offset bigint NOT NULL,
    withdrawn_offset bigint,
    started boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS grant_view_worker ON delivery.grant_view (worker_id, recipient_id);
CREATE INDEX IF NOT EXISTS grant_view_recipient ON delivery.grant_view (recipient_id);
CREATE INDEX IF NOT EXISTS grant_view_waiting ON delivery.grant_view (valid_from) WHERE NOT started;

-- Events that the hub took out of a story: they are matched no more, however often they come.
CREATE TABLE IF NOT EXISTS delivery.void (
    worker_id uuid NOT NULL,
    event_id uuid NOT NULL,
    void_id uuid NOT NULL,
    PRIMARY KEY (worker_id, event_id, void_id)
);
CREATE INDEX IF NOT EXISTS void_id ON delivery.void (void_id);

CREATE TABLE IF NOT EXISTS delivery.connection (
    connection_id text PRIMARY KEY,
    organization_id text NOT NULL,
    version integer NOT NULL,
    connector text NOT NULL,
    url text NOT NULL,
    state text NOT NULL,
    categories text[] NOT NULL,
    purpose text NOT NULL,
    configured_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS connection_organization ON delivery.connection (organization_id);

-- One row per event and receiver, for ever: what was delivered is not sent again. `value` (the
-- framed Avro record, sealed fields sealed) is there only while it is needed.
CREATE TABLE IF NOT EXISTS delivery_work.outbox (
    connection_id text NOT NULL,
    event_id uuid NOT NULL,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    log_offset bigint NOT NULL,
    event_type text NOT NULL,
    category text NOT NULL,
    value bytea,
    traceparent text,
    state text NOT NULL DEFAULT 'pending', -- pending, delivered, refused
    sequence bigint,
    attempts integer NOT NULL DEFAULT 0,
    reason text,
    http_status integer,
    grant_id uuid,
    matched_at timestamptz NOT NULL DEFAULT now(),
    attempted_at timestamptz,
    PRIMARY KEY (connection_id, event_id)
);
CREATE INDEX IF NOT EXISTS outbox_pending ON delivery_work.outbox
    (connection_id, worker_id, log_offset) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS outbox_newest ON delivery_work.outbox (connection_id, matched_at DESC);

-- One row per receiver and worker: strict order within, leased as a whole.
-- Nothing is on its way under a lease after leased_until: requests are timed out before.
CREATE TABLE IF NOT EXISTS delivery_work.lane (
    connection_id text NOT NULL,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    pending integer NOT NULL DEFAULT 0,
    last_sequence bigint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    snapshots integer NOT NULL DEFAULT 0, -- while above 0, the lane waits for the story so far
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    parked_at timestamptz,
    lease uuid,
    leased_until timestamptz,
    PRIMARY KEY (connection_id, worker_id)
) WITH (fillfactor = 70);
-- The worker process that leased it, by its instance id.
ALTER TABLE delivery_work.lane ADD COLUMN IF NOT EXISTS holder text;
CREATE INDEX IF NOT EXISTS lane_due ON delivery_work.lane (connection_id, next_at)
    WHERE pending > 0 AND snapshots = 0 AND parked_at IS NULL;
CREATE INDEX IF NOT EXISTS lane_worker ON delivery_work.lane (worker_id, recipient_id);

-- The story so far that a new grant or connection still has to get: records up to up_to.
CREATE TABLE IF NOT EXISTS delivery_work.snapshot (
    connection_id text NOT NULL,
    grant_id uuid NOT NULL,
    worker_id uuid NOT NULL,
    partition integer NOT NULL,
    up_to bigint NOT NULL,
    PRIMARY KEY (connection_id, grant_id)
);
-- The read model must have come so far, too: there something left the story.
ALTER TABLE delivery_work.snapshot ADD COLUMN IF NOT EXISTS void_at bigint NOT NULL DEFAULT -1;

-- Present once lanes and snapshots hold what the view of grants and connections asks for.
CREATE TABLE IF NOT EXISTS delivery_work.complete (
    complete boolean PRIMARY KEY CHECK (complete),
    since timestamptz NOT NULL DEFAULT now()
);

-- Events of delivery's own on their way to the log (attempts, connections switched off); a row
-- goes once its event is there.
CREATE TABLE IF NOT EXISTS delivery_work.announcement (
    announcement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL,
    value bytea NOT NULL,
    traceparent text
);

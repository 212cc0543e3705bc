-- What was agreed and withdrawn. Revocations are never deleted; every reader checks them.
CREATE SCHEMA IF NOT EXISTS consent;

-- Dispatch shares this row while it decides, a withdrawal has it alone while it revokes.
CREATE TABLE IF NOT EXISTS consent.lock (
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    PRIMARY KEY (worker_id, recipient_id)
);

-- A row here ends a grant, whatever any stream says. `position` is null until the event is on the
-- log; `event` is that event, so that it can be sent again as it was.
CREATE TABLE IF NOT EXISTS consent.revocation (
    grant_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    revoked_at timestamptz NOT NULL,
    event bytea NOT NULL,
    position text
);
CREATE INDEX IF NOT EXISTS revocation_worker ON consent.revocation (worker_id, recipient_id);
CREATE INDEX IF NOT EXISTS revocation_unpublished ON consent.revocation (revoked_at)
    WHERE position IS NULL;

-- Grants and requests that came in here, so that a repeat is seen and a reader sees its own write.
-- A row without position was never acknowledged. Whatever is missing is in the read model.
CREATE TABLE IF NOT EXISTS consent.given (
    grant_id uuid PRIMARY KEY,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    categories text[] NOT NULL,
    purposes text[] NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    wording_version text NOT NULL,
    wording_language text NOT NULL,
    wording_sha256 text NOT NULL,
    request_id text,
    granted_at timestamptz NOT NULL,
    event bytea NOT NULL,
    position text
);
CREATE INDEX IF NOT EXISTS given_worker ON consent.given (worker_id);
CREATE INDEX IF NOT EXISTS given_recipient ON consent.given (recipient_id);

CREATE TABLE IF NOT EXISTS consent.request (
    request_id text PRIMARY KEY,
    worker_id uuid NOT NULL,
    recipient_id text NOT NULL,
    categories text[] NOT NULL,
    purposes text[] NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    event bytea NOT NULL,
    position text,
    declined_at timestamptz,
    declined_position text
);
CREATE INDEX IF NOT EXISTS request_worker ON consent.request (worker_id);
CREATE INDEX IF NOT EXISTS request_recipient ON consent.request (recipient_id);

-- Present once the withdrawals on the log are all in `consent.revocation`.
CREATE TABLE IF NOT EXISTS consent.restored (
    topic text PRIMARY KEY,
    restored_at timestamptz NOT NULL DEFAULT now()
);

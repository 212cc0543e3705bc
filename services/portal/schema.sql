-- Working state of the portal: log-ins. It may be lost; people sign in again.
CREATE SCHEMA IF NOT EXISTS portal_work;

CREATE TABLE IF NOT EXISTS portal_work.session (
    token_sha256 bytea PRIMARY KEY,
    worker_id uuid NOT NULL,
    key_id text NOT NULL,       -- the access key made for this log-in, revoked when it ends
    sealed_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS session_expiry ON portal_work.session (expires_at);

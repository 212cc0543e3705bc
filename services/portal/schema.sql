-- Working state of the portal: log-ins. It may be lost; people sign in again.
CREATE SCHEMA IF NOT EXISTS portal_work;

CREATE TABLE IF NOT EXISTS portal_work.login (
    token_sha256 bytea PRIMARY KEY,
    role text NOT NULL,
    subject text NOT NULL,      -- an organisation's id, or a worker's
    key_id text NOT NULL,       -- the access key made for this log-in, revoked when it ends
    sealed_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS login_expiry ON portal_work.login (expires_at);

-- People as employers' systems keep them here. Nothing of a person stands in the open: a resource is
-- sealed with the worker's key, names are found by keyed hashes.
CREATE TABLE IF NOT EXISTS vault.scim_user (
    organization_id text NOT NULL,
    id uuid NOT NULL,
    worker_id uuid NOT NULL,
    user_name_index bytea NOT NULL,
    external_id_index bytea,
    sealed bytea NOT NULL,
    version bigint NOT NULL,
    created timestamptz NOT NULL,
    modified timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, user_name_index),
    UNIQUE (organization_id, external_id_index)
);

-- Events that a change of a user means, written in the transaction of the change; a row goes once
-- its event is on the log. `refused` says why one can't be.
CREATE TABLE IF NOT EXISTS vault.scim_event (
    organization_id text NOT NULL,
    id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    worker_id uuid NOT NULL,
    sealed bytea NOT NULL,
    refused text,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id, number)
);

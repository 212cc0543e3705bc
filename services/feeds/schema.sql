-- Releases are immutable: what was published stays as it was.
CREATE SCHEMA IF NOT EXISTS feeds;

CREATE TABLE IF NOT EXISTS feeds.release (
    feed_id text NOT NULL,
    number int NOT NULL,
    window_id text NOT NULL,
    definition_version int NOT NULL,
    minimum int NOT NULL,
    as_of timestamptz NOT NULL,
    reflects text[] NOT NULL, -- the read model's positions
    released_at timestamptz NOT NULL,
    released_by text NOT NULL,
    PRIMARY KEY (feed_id, number),
    -- A window is released once. A restatement would tell who was added, until a gate checks that.
    UNIQUE (feed_id, window_id)
);

CREATE TABLE IF NOT EXISTS feeds.cell (
    feed_id text NOT NULL,
    number int NOT NULL,
    position int NOT NULL,
    programme_id text NOT NULL,
    programme_title text,
    provider_id text,
    status text NOT NULL,
    percent int,
    FOREIGN KEY (feed_id, number) REFERENCES feeds.release,
    PRIMARY KEY (feed_id, number, position)
);

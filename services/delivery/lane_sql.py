"""The statements of `lane_store.py`."""

# Lanes that are due, the longest waiting first, up to the room each connection has left. The lock
# row is shared while the decision is made: a withdrawal has it alone, so it comes before or after.
LEASE = """
WITH due AS (
    SELECT l.* FROM delivery.connection c
    LEFT JOIN unnest($1::text[], $2::int[]) AS b(connection_id, busy) USING (connection_id)
    CROSS JOIN LATERAL (
        SELECT connection_id, worker_id, recipient_id FROM delivery_work.lane
        WHERE connection_id = c.connection_id AND pending > 0 AND snapshots = 0
            AND parked_at IS NULL AND next_at <= now()
            AND (leased_until IS NULL OR leased_until < now())
        ORDER BY next_at LIMIT greatest($3 - coalesce(b.busy, 0), 0)
        FOR UPDATE SKIP LOCKED
    ) l
    WHERE c.state = 'ACTIVE' LIMIT $4
), locked AS (
    SELECT k.worker_id, k.recipient_id FROM consent.lock k
    WHERE (k.worker_id, k.recipient_id) IN (SELECT worker_id, recipient_id FROM due)
    FOR SHARE SKIP LOCKED
)
UPDATE delivery_work.lane t SET lease = gen_random_uuid(), leased_until = now() + $5,
    holder = $6
FROM due JOIN locked USING (worker_id, recipient_id)
JOIN delivery.connection c USING (connection_id)
WHERE t.connection_id = due.connection_id AND t.worker_id = due.worker_id
RETURNING t.*, c.connector, c.url, c.categories, c.purpose,
    -- A withdrawal waits for leases, so these must outlast a crash; nothing else here has to.
    set_config('synchronous_commit', 'on', true)
"""
# A statement of its own, after the locks: it sees every revocation committed before them.
ROWS = """
SELECT o.* FROM unnest($1::text[], $2::uuid[]) AS l(connection_id, worker_id)
CROSS JOIN LATERAL (
    SELECT connection_id, worker_id, event_id, event_type, category, value, traceparent, sequence,
        attempts
    FROM delivery_work.outbox
    WHERE connection_id = l.connection_id AND worker_id = l.worker_id AND state = 'pending'
    ORDER BY log_offset LIMIT $3
) o
"""
GRANTS = """
SELECT g.grant_id, g.worker_id, g.recipient_id, g.categories, g.purposes, g.valid_from,
    g.valid_until, g.withdrawn_offset IS NOT NULL OR EXISTS (
        SELECT FROM consent.revocation r WHERE r.grant_id = g.grant_id) AS revoked
FROM delivery.grant_view g
JOIN (SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[]) AS l(worker_id, recipient_id)) l
    USING (worker_id, recipient_id)
"""
# What rows were numbered under a lease, they keep.
NUMBER = """
WITH lanes AS (
    UPDATE delivery_work.lane l SET last_sequence = n.last
    FROM unnest($4::text[], $5::uuid[], $6::bigint[]) AS n(connection_id, worker_id, last)
    WHERE l.connection_id = n.connection_id AND l.worker_id = n.worker_id
)
UPDATE delivery_work.outbox o SET sequence = n.sequence
FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS n(connection_id, event_id, sequence)
WHERE o.connection_id = n.connection_id AND o.event_id = n.event_id
"""

# An instance id is one process's: whoever starts under it follows one that is dead.
INHERIT = """
UPDATE delivery_work.lane SET lease = NULL, leased_until = NULL
WHERE holder = $1 AND lease IS NOT NULL
"""

# In one order everywhere, so that two writers never wait for each other.
LOCK_LANES = """
SELECT FROM delivery_work.lane
WHERE (connection_id, worker_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))
ORDER BY connection_id, worker_id FOR UPDATE
"""
# Rows get their new state, lanes count what is settled, and whoever still holds the lease gives it
# back. Answers whether a lane has more to send now.
WRITE = """
WITH done AS (
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::int[],
        $7::uuid[]) AS d(connection_id, event_id, state, attempts, reason, http_status, grant_id)
), changed AS (
    UPDATE delivery_work.outbox o SET state = d.state, attempts = d.attempts, reason = d.reason,
        http_status = d.http_status, grant_id = d.grant_id, attempted_at = now(),
        value = CASE WHEN d.state = 'pending' THEN o.value END
    FROM done d
    WHERE o.connection_id = d.connection_id AND o.event_id = d.event_id AND o.state = 'pending'
    RETURNING o.connection_id, o.worker_id, o.state
), settled AS (
    SELECT connection_id, worker_id, count(*) AS n FROM changed
    WHERE state <> 'pending' GROUP BY 1, 2
), given AS (
    SELECT r.*, coalesce(l.lease = r.lease, false) AS held, coalesce(s.n, 0) AS settled
    FROM unnest($8::text[], $9::uuid[], $10::uuid[], $11::int[], $12::timestamptz[],
        $13::timestamptz[], $14::bool[])
        AS r(connection_id, worker_id, lease, failures, failing_since, next_at, parked)
    JOIN delivery_work.lane l USING (connection_id, worker_id)
    LEFT JOIN settled s USING (connection_id, worker_id)
)
UPDATE delivery_work.lane l SET pending = l.pending - g.settled,
    lease = CASE WHEN NOT g.held THEN l.lease END,
    leased_until = CASE WHEN NOT g.held THEN l.leased_until END,
    failures = CASE WHEN g.held THEN g.failures ELSE l.failures END,
    failing_since = CASE WHEN g.held THEN g.failing_since ELSE l.failing_since END,
    next_at = CASE WHEN g.held THEN coalesce(g.next_at, now()) ELSE l.next_at END,
    parked_at = CASE WHEN g.held AND g.parked THEN now() WHEN NOT g.held THEN l.parked_at END
FROM given g
WHERE l.connection_id = g.connection_id AND l.worker_id = g.worker_id
RETURNING l.pending > 0 AND l.snapshots = 0 AND l.lease IS NULL AND l.parked_at IS NULL
    AND l.next_at <= now() AS due
"""
SWITCH_OFF = """
UPDATE delivery.connection SET state = 'PAUSED', version = version + 1
WHERE connection_id = ANY ($1) AND state = 'ACTIVE' RETURNING *
"""
ANNOUNCE = """
WITH told AS (
    INSERT INTO delivery_work.announcement (key, value, traceparent)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[])
)
SELECT pg_notify('delivery_announce', '')
"""
SEALED = "SELECT sealed, sealed_token FROM vault.connection_secret WHERE connection_id = $1"

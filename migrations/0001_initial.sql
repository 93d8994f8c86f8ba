-- Plain SQL that Postgres-compatible engines run too. Instants are milliseconds since the Unix epoch,
-- documents are JSON kept as text. A column beside a document repeats what is searched for, nothing else.

-- Last known copies of orders, and what is counted per order.
CREATE TABLE orders (
    id                 TEXT PRIMARY KEY,
    account            TEXT NOT NULL,
    provider_reference TEXT NOT NULL,
    merchant_reference TEXT,
    status             TEXT NOT NULL,
    is_final           BOOLEAN NOT NULL,
    -- Whether a change was ever asked for here; orders only read do not hold their merchant reference.
    known_here         BOOLEAN NOT NULL,
    -- When the provider was asked for the copy.
    as_of              BIGINT NOT NULL,
    last_copy          TEXT NOT NULL,
    -- Operations begun, and status changes of operations.
    change_count       BIGINT NOT NULL,
    -- The sequence of the newest event of this order.
    last_sequence      BIGINT NOT NULL,
    -- When it was first heard of.
    first_seen_at      BIGINT NOT NULL,
    -- When an open order made here is read next, so that a missed notification is not the end; and reads so far.
    next_read_at       BIGINT,
    reads              BIGINT NOT NULL
);
CREATE INDEX orders_by_merchant_reference ON orders (account, merchant_reference);
CREATE INDEX orders_by_first_seen ON orders (first_seen_at, id) WHERE known_here = TRUE;
CREATE INDEX orders_by_next_read ON orders (next_read_at, id) WHERE next_read_at IS NOT NULL;

CREATE TABLE operations (
    id               TEXT PRIMARY KEY,
    -- Absent for a creation until its order is known.
    order_id         TEXT REFERENCES orders (id),
    account          TEXT NOT NULL,
    provider         TEXT NOT NULL,
    client           TEXT NOT NULL,
    kind             TEXT NOT NULL,
    status           TEXT NOT NULL,
    -- The merchant reference the order gets when this succeeds; nobody else may take it meanwhile.
    claims_reference TEXT,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    next_check_at    BIGINT,
    -- The secret part of the addresses of a payer's pages.
    page_token       TEXT,
    body             TEXT NOT NULL
);
-- The guard: one change per order whose effect nobody knows yet.
CREATE UNIQUE INDEX operations_one_open_per_order ON operations (order_id)
    WHERE status IN ('pending', 'sending', 'unknown', 'needs_review');
CREATE UNIQUE INDEX operations_by_page_token ON operations (page_token) WHERE page_token IS NOT NULL;
CREATE INDEX operations_by_order ON operations (order_id, created_at);
CREATE INDEX operations_by_next_check ON operations (next_check_at, id) WHERE next_check_at IS NOT NULL;
CREATE INDEX operations_by_claim ON operations (account, claims_reference)
    WHERE claims_reference IS NOT NULL;

CREATE INDEX operations_by_age ON operations (created_at, id);

-- What providers told us unasked, kept as it came. Each piece of news once per account.
CREATE TABLE notifications (
    id           TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    dedup_key    TEXT NOT NULL,
    received_at  BIGINT NOT NULL,
    content_type TEXT,
    -- The exact bytes, for as long as they are kept.
    raw_body     BLOB,
    -- What was read from it.
    facts        TEXT NOT NULL,
    -- The order it turned out to be about.
    order_id     TEXT,
    -- When it is to be applied; absent when that is done.
    next_try_at  BIGINT,
    tries        BIGINT NOT NULL,
    UNIQUE (account, dedup_key)
);
CREATE INDEX notifications_by_next_try ON notifications (next_try_at, id) WHERE next_try_at IS NOT NULL;
CREATE INDEX notifications_by_order ON notifications (order_id, received_at) WHERE order_id IS NOT NULL;

-- What each client's Idempotency-Key was used for.
CREATE TABLE idempotency_keys (
    client          TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint     TEXT NOT NULL,
    operation_id    TEXT NOT NULL REFERENCES operations (id),
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (client, idempotency_key)
);

CREATE TABLE events (
    id           TEXT PRIMARY KEY,
    -- The place among all events: grows in the order of commits, so a reader's cursor misses nothing.
    position     BIGINT NOT NULL UNIQUE,
    -- What the sequence counts: the order, or a creation whose order is not known.
    stream       TEXT NOT NULL,
    order_id     TEXT REFERENCES orders (id),
    -- Of the order, or of the operation while no order is known: who may see the event.
    account      TEXT NOT NULL,
    -- The place among the events of this stream, from 1 without a gap.
    sequence     BIGINT NOT NULL,
    event_type   TEXT NOT NULL,
    operation_id TEXT REFERENCES operations (id),
    occurred_at  BIGINT NOT NULL,
    data         TEXT NOT NULL,
    UNIQUE (stream, sequence)
);

-- Who did what; rows are added and never changed.
CREATE TABLE audit (
    position     BIGINT PRIMARY KEY,
    recorded_at  BIGINT NOT NULL,
    actor        TEXT NOT NULL,
    action       TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    order_id     TEXT,
    request_id   TEXT NOT NULL,
    detail       TEXT NOT NULL
);
CREATE INDEX audit_by_operation ON audit (operation_id, position);

-- Last numbers given. Rows instead of a sequence: a number that is rolled back is given again, and
-- numbers become visible in their order.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('audit', 0), ('events', 0), ('write_checks', 0);

-- Where events are delivered to, and what became of each delivery.

CREATE TABLE webhook_endpoints (
    id                    TEXT PRIMARY KEY,
    -- The client it belongs to; nobody else sees it.
    client                TEXT NOT NULL,
    -- JSON: the accounts the client had when it last changed this endpoint, null for all. Counts only where
    -- the configuration does not name the client.
    accounts              TEXT NOT NULL,
    url                   TEXT NOT NULL,
    description           TEXT,
    -- JSON list of event types, `order.*` for a group; null for all.
    event_types           TEXT NOT NULL,
    enabled               BOOLEAN NOT NULL,
    -- Why guichet itself disabled it.
    disabled_reason       TEXT,
    secret                TEXT NOT NULL,
    -- Signs beside the new one until then.
    previous_secret       TEXT,
    previous_secret_until BIGINT,
    -- Events up to this position have their delivery row, where the endpoint gets them at all.
    position              BIGINT NOT NULL,
    -- Nothing is sent before; set when the receiver asks for less.
    slow_until            BIGINT,
    -- Answers in a row that asked for less.
    slow_count            BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_by_client ON webhook_endpoints (client, created_at, id);

CREATE TABLE webhook_deliveries (
    endpoint_id     TEXT NOT NULL REFERENCES webhook_endpoints (id),
    event_id        TEXT NOT NULL REFERENCES events (id),
    -- Of the event.
    position        BIGINT NOT NULL,
    -- pending, delivered or dead.
    status          TEXT NOT NULL,
    -- Attempts made since it was planned or replayed: the place in the schedule.
    attempts        BIGINT NOT NULL,
    next_attempt_at BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_by_position ON webhook_deliveries (endpoint_id, position);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (endpoint_id, next_attempt_at)
    WHERE status = 'pending';
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (endpoint_id, position) WHERE status = 'dead';

-- Every attempt; rows are added and never changed.
CREATE TABLE webhook_attempts (
    endpoint_id  TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    attempted_at BIGINT NOT NULL,
    result       TEXT NOT NULL,
    http_status  BIGINT,
    duration_ms  BIGINT NOT NULL,
    FOREIGN KEY (endpoint_id, event_id) REFERENCES webhook_deliveries (endpoint_id, event_id)
);
CREATE INDEX webhook_attempts_by_delivery ON webhook_attempts (endpoint_id, event_id, attempted_at);

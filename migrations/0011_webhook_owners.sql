-- Clients that have webhook endpoints, and when a valid credential of each was seen last: the endpoints of a client that comes no
-- more are disabled. The time is that of erasure (`erasure_clock` of `counters`), in milliseconds. A row is written once a day
-- at most, and goes with the client's last endpoint.
CREATE TABLE webhook_owners (
    client  TEXT PRIMARY KEY,
    seen_at BIGINT NOT NULL
);

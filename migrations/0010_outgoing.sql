-- What goes out is counted where it is written, found by its time, and removed in small steps.

-- A replay finds the events of a time and looks at no others.
CREATE INDEX events_by_time ON events (occurred_at, position);

-- When an endpoint was removed. From then on it is gone for everybody; its deliveries go in small steps, its row at the end.
ALTER TABLE webhook_endpoints ADD COLUMN removed_at BIGINT;

-- How many of its deliveries are pending. Changed in the transaction that changes them, so that nothing counts them one by
-- one.
ALTER TABLE webhook_endpoints ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
UPDATE webhook_endpoints SET pending =
    (SELECT COUNT(*) FROM webhook_deliveries d WHERE d.endpoint_id = webhook_endpoints.id AND d.status = 'pending');
-- The first one of an endpoint has waited longest.
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, created_at) WHERE status = 'pending';

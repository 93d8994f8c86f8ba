-- What is too old, and what must never change.

-- When payer data was erased from the row; absent again when a newer copy was kept.
ALTER TABLE orders ADD COLUMN erased_at BIGINT;
ALTER TABLE operations ADD COLUMN erased_at BIGINT;
CREATE INDEX orders_to_erase ON orders (first_seen_at, id) WHERE erased_at IS NULL;
-- Operations of an order are erased with it.
CREATE INDEX operations_to_erase ON operations (updated_at, id) WHERE erased_at IS NULL AND order_id IS NULL;
CREATE INDEX notifications_to_erase ON notifications (received_at, id) WHERE raw_body IS NOT NULL;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (updated_at) WHERE status <> 'pending';

-- Orders whose payer data somebody wants erased before its time. A row goes when that is done.
CREATE TABLE erasure_requests (
    order_id     TEXT PRIMARY KEY,
    requested_at BIGINT NOT NULL
);

-- The one thing here that other engines write differently.
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

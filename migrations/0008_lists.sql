-- Every list walks an index in its own order, and every statement finds what it asks for by an index. Each index here
-- either takes the place of one that left something to be sorted, or serves a filter that had none.

-- Orders and operations of one account and status, in the order of the lists.
CREATE INDEX orders_by_status ON orders (account, status, first_seen_at, id) WHERE known_here = TRUE;
CREATE INDEX operations_by_status ON operations (account, status, created_at, id);

DROP INDEX orders_by_merchant_reference;
CREATE INDEX orders_by_merchant_reference ON orders (account, merchant_reference, first_seen_at, id)
    WHERE merchant_reference IS NOT NULL;
DROP INDEX operations_by_order;
CREATE INDEX operations_by_order ON operations (order_id, created_at, id) WHERE order_id IS NOT NULL;

-- One index for each status of deliveries and for all of them together, instead of two.
DROP INDEX webhook_deliveries_by_position;
DROP INDEX webhook_deliveries_dead;
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (endpoint_id, status, position);
-- With all that the count of what is pending reads.
DROP INDEX webhook_deliveries_pending;
CREATE INDEX webhook_deliveries_pending
    ON webhook_deliveries (endpoint_id, next_attempt_at, position, created_at) WHERE status = 'pending';

CREATE INDEX erasure_requests_by_age ON erasure_requests (requested_at, order_id);

-- To delete an order that was only read, SQLite looked through all events for one that refers to it. Events are never of
-- an order that is not there: they take their sequence from its row, and a row with events is never deleted. The clause
-- is taken out of the definition; what is on disk is the same with and without it (SQLite, "ALTER TABLE", section 7).
PRAGMA writable_schema = ON;
UPDATE sqlite_master SET sql = replace(sql, 'order_id     TEXT REFERENCES orders (id)', 'order_id     TEXT')
    WHERE type = 'table' AND name = 'events';
PRAGMA writable_schema = RESET;

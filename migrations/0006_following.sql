-- What orders its copies, what an order waits for, and what contradicts an operation that had ended.

-- The number under which the copy was asked for: of two copies of one change count the one asked for later stays.
ALTER TABLE orders ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
-- The statuses it was seen in, with commas around each: `order.paid` is told once.
ALTER TABLE orders ADD COLUMN statuses_seen TEXT NOT NULL DEFAULT '';
UPDATE orders SET statuses_seen = ',' || status || ',';
UPDATE orders SET statuses_seen = statuses_seen || 'authorized,' WHERE EXISTS
    (SELECT 1 FROM events WHERE stream = orders.id AND event_type = 'order.authorized');
UPDATE orders SET statuses_seen = statuses_seen || 'paid,' WHERE EXISTS
    (SELECT 1 FROM events WHERE stream = orders.id AND event_type = 'order.paid');

-- What it waits for by itself, since when, and the amounts it was seen with.
ALTER TABLE orders ADD COLUMN waits_for TEXT NOT NULL DEFAULT 'nothing';
ALTER TABLE orders ADD COLUMN waits_since BIGINT NOT NULL DEFAULT 0;
-- 0 for an order that can be paid: it is read before the others of its account.
ALTER TABLE orders ADD COLUMN read_rank BIGINT NOT NULL DEFAULT 1;
DROP INDEX orders_by_next_read;
CREATE INDEX orders_by_next_read ON orders (account, read_rank, next_read_at, id) WHERE next_read_at IS NOT NULL;
-- Orders whose money may still change and that were followed no more: the next read tells what they wait for.
UPDATE orders SET next_read_at = as_of WHERE known_here = TRUE AND next_read_at IS NULL AND erased_at IS NULL
    AND is_final = FALSE AND status IN ('pending', 'processing', 'in_review', 'authorized', 'declined', 'unknown', 'paid',
    'partially_refunded');

-- An operation that had ended and that the provider did all the same, or that a provider had accepted and a person must
-- decide, stands beside whatever is under way: the index guards what is begun here.
ALTER TABLE operations ADD COLUMN stands_beside BOOLEAN NOT NULL DEFAULT FALSE;
DROP INDEX operations_one_open_per_order;
CREATE UNIQUE INDEX operations_one_open_per_order ON operations (order_id)
    WHERE status IN ('pending', 'sending', 'unknown', 'needs_review') AND stands_beside = FALSE;
CREATE INDEX operations_open ON operations (order_id)
    WHERE status IN ('pending', 'sending', 'unknown', 'needs_review');
CREATE INDEX operations_accepted ON operations (provider, created_at) WHERE status = 'accepted';

-- Notifications of an order in the order in which they were kept, whatever the clock said.
ALTER TABLE notifications ADD COLUMN position BIGINT NOT NULL DEFAULT 0;
DROP INDEX notifications_by_order;
CREATE INDEX notifications_by_order ON notifications (order_id, position, received_at) WHERE order_id IS NOT NULL;

INSERT INTO counters (name, value) VALUES ('runs', 0), ('notifications', 0);

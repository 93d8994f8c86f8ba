-- What orders its copies, what an order waits for, and what contradicts an operation that had ended.

-- The number under which the copy was asked for: of two copies of one change count the one asked for later stays. What was
-- asked for up to `asked_floor` is older than the order's last change.
ALTER TABLE orders ADD COLUMN asked BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN asked_floor BIGINT NOT NULL DEFAULT 0;
-- The statuses it was seen in, with commas around each: `order.paid` is told once. Empty for what was kept before.
ALTER TABLE orders ADD COLUMN statuses_seen TEXT NOT NULL DEFAULT '';

-- What it waits for by itself, and since when; how many reads in a row failed.
ALTER TABLE orders ADD COLUMN waits_for TEXT NOT NULL DEFAULT 'nothing';
ALTER TABLE orders ADD COLUMN waits_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN failed_reads BIGINT NOT NULL DEFAULT 0;
-- 0 for an order that can be paid: it is read before the others of its account.
ALTER TABLE orders ADD COLUMN read_rank BIGINT NOT NULL DEFAULT 1;
-- Orders whose money may still change and that were followed no more are read once more, and that read tells what they wait
-- for; of the paid ones only those of the last 20 days, which may not be remitted yet.
UPDATE orders SET
    read_rank = CASE WHEN status IN ('pending', 'declined') THEN 0 ELSE 1 END,
    next_read_at = COALESCE(next_read_at, as_of)
    WHERE known_here = TRUE AND erased_at IS NULL AND is_final = FALSE AND (
        next_read_at IS NOT NULL
        OR status IN ('pending', 'processing', 'in_review', 'authorized', 'declined', 'unknown')
        OR (status IN ('paid', 'partially_refunded')
            AND as_of > (SELECT recorded_at FROM audit
                WHERE position = (SELECT value FROM counters WHERE name = 'audit')) - 1728000000));
DROP INDEX orders_by_next_read;
CREATE INDEX orders_by_next_read ON orders (account, read_rank, next_read_at, id) WHERE next_read_at IS NOT NULL;

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

-- Notifications wait for each account apart: a slow provider holds up nobody else's.
DROP INDEX notifications_by_next_try;
CREATE INDEX notifications_by_next_try ON notifications (account, next_try_at, id) WHERE next_try_at IS NOT NULL;

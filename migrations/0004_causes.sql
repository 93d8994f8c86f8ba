-- Which request is behind an event, a notification, an entry of the audit trail: its id, and its place in a trace as
-- the header `traceparent` says it. Absent for what was written before, and where no request is behind it.
ALTER TABLE events ADD COLUMN request_id TEXT;
ALTER TABLE events ADD COLUMN traceparent TEXT;
ALTER TABLE notifications ADD COLUMN request_id TEXT;
ALTER TABLE notifications ADD COLUMN traceparent TEXT;
ALTER TABLE audit ADD COLUMN traceparent TEXT;

-- Keys whose effect moved money, or made or released an order, after their time: the digest of client and key stays, so that
-- such a key never runs again.
CREATE TABLE spent_keys (
    -- SHA-256 of client, a zero byte and key, in hexadecimal.
    digest TEXT PRIMARY KEY
);

-- The time by which erasure goes, in milliseconds: it never moves faster than time passes.
INSERT INTO counters (name, value) VALUES ('erasure_clock', 0);

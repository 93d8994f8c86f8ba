-- Random keys of this store. They are made once and never changed, and a copy of the store has the same: what one store
-- signed is known to its restored copy and to no other.
CREATE TABLE store_keys (
    name   TEXT PRIMARY KEY,
    secret BLOB NOT NULL
);

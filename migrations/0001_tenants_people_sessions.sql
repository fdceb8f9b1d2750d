-- Tenants, people and their sessions.
--
-- One text for SQLite and PostgreSQL: ids are UUIDv7 as TEXT, times are BIGINT milliseconds since
-- the Unix epoch, truth values are BIGINT 0 or 1, JSON is TEXT. Migrations only go forward, and the
-- previous release must run on the new schema: add, move, and drop a release later.

-- A tenant: a client company.
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    -- names the tenant in room metadata and in object keys; lower case, never changed
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- 1: nobody logs in, calls are still kept
    disabled BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    -- lower case, unique over all tenants: login has no tenant field
    username TEXT NOT NULL UNIQUE,
    -- argon2id in PHC string format
    password_hash TEXT NOT NULL,
    full_name TEXT,
    forwarding_number TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- What a user may do for a tenant.
CREATE TABLE memberships (
    user_id TEXT NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- admin, supervisor, agent or auditor
    role TEXT NOT NULL,
    disabled BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

CREATE INDEX memberships_by_client ON memberships (client_id, user_id);

-- A login. The session token carries the id; every use looks it up, so that ending it works at once.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- logout, password or role changed, user disabled
    revoked_at BIGINT
);

CREATE INDEX sessions_by_user ON sessions (user_id, client_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

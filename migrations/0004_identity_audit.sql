-- API keys, invites, tenants that are gone, and the audit log as a chain.

-- when the tenant was removed; its row stays, because the audit log refers to it. Its slug is then
-- '-' and its id, which is no slug that anybody can have, and it is disabled.
ALTER TABLE clients ADD COLUMN deleted_at BIGINT;

-- A key of a program. Beside it there is an account in users under the same id, without a password
-- and without a membership (so that nobody logs in with it and no list of people has it), and a
-- session under the same id that lasts as long as the key: whatever refers to who did something
-- refers to a key in the same way.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    name TEXT NOT NULL,
    -- admin, supervisor, agent or auditor
    role TEXT NOT NULL,
    -- SHA-256 of the whole key, in hex. The key is 256 random bits: no guessing is made slower by
    -- a slow hash, and every request would pay for one.
    secret_hash TEXT NOT NULL UNIQUE,
    -- the key's beginning, for people to tell keys apart
    hint TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- NULL: it does not end by itself
    expires_at BIGINT,
    -- to the minute
    last_used_at BIGINT,
    revoked_at BIGINT
);

CREATE INDEX api_keys_by_client ON api_keys (client_id, id);

-- Who may register with what role, once.
CREATE TABLE invites (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    role TEXT NOT NULL,
    -- SHA-256 of the token, in hex
    token_hash TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- both or neither: the user that it made
    used_at BIGINT,
    used_by TEXT,
    revoked_at BIGINT
);

CREATE INDEX invites_by_client ON invites (client_id, id);

-- The audit log as a chain for each tenant (docs/design/audit.md). Rows without a seq were added by
-- the release before; they are taken into the chain as they are found.
-- 1, 2, 3, …: the row's place in the tenant's chain
ALTER TABLE audit ADD COLUMN seq BIGINT;
-- SHA-256 over the row and the hash of the row before, in hex
ALTER TABLE audit ADD COLUMN hash TEXT;
-- HMAC of the hash under a key that the database does not have, in hex
ALTER TABLE audit ADD COLUMN mac TEXT;
-- 1: the row was there before it was taken into the chain
ALTER TABLE audit ADD COLUMN adopted BIGINT NOT NULL DEFAULT 0;
-- intent (written before an act that reaches outside of the database) or result (after it);
-- NULL: the row was written in the transaction of its act
ALTER TABLE audit ADD COLUMN phase TEXT;
-- of a result: the row of its intent
ALTER TABLE audit ADD COLUMN intent_id TEXT;

CREATE UNIQUE INDEX audit_chain ON audit (client_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unchained ON audit (client_id, at, id) WHERE seq IS NULL;
CREATE INDEX audit_intents ON audit (at) WHERE phase = 'intent';
CREATE UNIQUE INDEX audit_results ON audit (intent_id) WHERE intent_id IS NOT NULL;
CREATE INDEX audit_by_actor ON audit (client_id, actor, at);

-- The end of each tenant's chain. Whoever adds rows changes it in the same transaction.
CREATE TABLE audit_heads (
    client_id TEXT PRIMARY KEY REFERENCES clients (id),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL,
    -- the last row that a checkpoint in the object store tells of
    checkpoint_seq BIGINT NOT NULL DEFAULT 0,
    checkpoint_at BIGINT NOT NULL DEFAULT 0
);

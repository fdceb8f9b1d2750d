-- Who has a call: what whoever carries it must do, and keys that make an act happen once.

-- the session whose microphone speaks while a supervisor has the call
ALTER TABLE calls ADD COLUMN control_session TEXT;
-- 1: a party may be silent because of us; 0 again once whoever carries the call made all heard
ALTER TABLE calls ADD COLUMN silenced BIGINT NOT NULL DEFAULT 0;
-- JSON array of parties whom a supervisor has muted
ALTER TABLE calls ADD COLUMN muted TEXT NOT NULL DEFAULT '[]';

-- calls that a session has to give back when it ends
CREATE INDEX calls_by_control_session ON calls (control_session) WHERE control_session IS NOT NULL;

-- What was answered to an act that came with a key: the same again is answered the same and not
-- done again. No answer: it is being done, or its process is gone.
CREATE TABLE idempotency_keys (
    client_id TEXT NOT NULL REFERENCES clients (id),
    user_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- SHA-256 of method, path and body, hex
    request TEXT NOT NULL,
    status BIGINT,
    -- JSON
    body TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (client_id, user_id, idempotency_key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Tokens that were used to hear a call by WebSocket: each is good once, whichever process it is
-- shown to. A row is of no more use when its token's time is over.
CREATE TABLE used_listen_tokens (
    id TEXT PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

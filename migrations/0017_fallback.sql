-- What becomes of a call whose supervisor is lost. No row: the agent has it again, and no more.
CREATE TABLE fallbacks (
    client_id TEXT PRIMARY KEY REFERENCES clients (id),
    -- hand_back, transfer, end
    act TEXT NOT NULL,
    -- for transfer: a number or user:<id>
    target TEXT,
    updated_at BIGINT NOT NULL
);

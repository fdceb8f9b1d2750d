-- Calls of vendors: who says so, what they said, and whose numbers were called.

-- A part of a tenant.
CREATE TABLE branches (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    name TEXT NOT NULL,
    -- name in the IANA database
    timezone TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (client_id, name)
);

-- Calls to a number are its tenant's and its branch's.
CREATE TABLE phone_numbers (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    branch_id TEXT REFERENCES branches (id),
    -- E.164; unique over all tenants, because it finds the tenant
    number TEXT NOT NULL UNIQUE,
    label TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX phone_numbers_by_client ON phone_numbers (client_id, number);
CREATE INDEX phone_numbers_by_branch ON phone_numbers (branch_id) WHERE branch_id IS NOT NULL;

CREATE INDEX calls_active_by_branch ON calls (branch_id) WHERE ended_at IS NULL AND branch_id IS NOT NULL;

-- A tenant's account at a vendor.
CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON object, encrypted by the master key; NULL: there are none
    credentials TEXT,
    -- JSON: the webhook's scheme and its options
    webhook TEXT NOT NULL,
    -- encrypted by the master key; NULL: there is none
    webhook_secret TEXT,
    -- JSON object
    settings TEXT NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (client_id, name)
);

CREATE INDEX connections_by_kind ON connections (client_id, kind, created_at);

-- What is known of a call that its vendor reports or that was registered. Tenant, upstream and id
-- there name it; its row is locked by whoever adds to what is known.
CREATE TABLE upstream_calls (
    client_id TEXT NOT NULL REFERENCES clients (id),
    upstream TEXT NOT NULL,
    upstream_call_id TEXT NOT NULL,
    -- the row in calls, made in the same transaction
    call_id TEXT NOT NULL UNIQUE,
    -- JSON: what its reports say together, whatever order they came in
    state TEXT NOT NULL,
    -- where it can be heard and acted on; encrypted by the master key, never shown
    listen_url TEXT,
    control_url TEXT,
    -- counts the batches that added to it
    batches BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (client_id, upstream, upstream_call_id)
);

-- JSON object: what else was reported of the call (analysis, costs, summary)
ALTER TABLE calls ADD COLUMN call_metadata TEXT NOT NULL DEFAULT '{}';

-- What was said.
CREATE TABLE transcript_segments (
    call_id TEXT NOT NULL REFERENCES calls (id),
    id TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- whose word counts: the highest that a call has is its transcript. 0: a conversation so far,
    -- 1: speech as it is recognised, 2: the report after the call
    layer BIGINT NOT NULL,
    party TEXT NOT NULL,
    text TEXT NOT NULL,
    -- 1: it will not change any more
    final BIGINT NOT NULL,
    -- milliseconds since the call's start; NULL where only the time of the message is known
    start_ms BIGINT,
    end_ms BIGINT,
    -- when it was said or reported: of two that say the same thing the later one holds
    at BIGINT NOT NULL,
    -- ten-thousandths
    confidence BIGINT,
    sentiment TEXT,
    PRIMARY KEY (call_id, id)
);

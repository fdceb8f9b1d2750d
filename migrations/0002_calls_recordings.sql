-- Calls, who watches them, their recordings, and what keeps events from being applied twice.

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    branch_id TEXT,
    upstream TEXT NOT NULL,
    upstream_call_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    from_party TEXT NOT NULL,
    to_party TEXT NOT NULL,
    customer_name TEXT,
    agent_id TEXT,
    agent_name TEXT,
    livekit_room_name TEXT,
    status TEXT NOT NULL,
    -- both or neither: why it ended
    end_class TEXT,
    end_code TEXT,
    outcome TEXT,
    started_at BIGINT NOT NULL,
    answered_at BIGINT,
    -- set exactly when status is ended
    ended_at BIGINT,
    -- JSON array of strings
    tags TEXT NOT NULL DEFAULT '[]',
    consent TEXT NOT NULL DEFAULT 'unknown',
    -- agent, or supervisor:<user id>; changed by compare-and-set on the version
    control_holder TEXT NOT NULL DEFAULT 'agent',
    control_holder_name TEXT,
    control_since BIGINT NOT NULL,
    control_version BIGINT NOT NULL DEFAULT 0,
    recording_state TEXT NOT NULL DEFAULT 'off',
    recording_started_at BIGINT,
    campaign TEXT,
    -- JSON array of capability words
    capabilities TEXT NOT NULL DEFAULT '[]',
    -- last sign of life from whoever holds the call
    seen_at BIGINT NOT NULL
);

-- lists are newest first, the id breaks ties
CREATE INDEX calls_by_start ON calls (client_id, started_at, id);
CREATE INDEX calls_active ON calls (client_id, started_at, id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_upstream ON calls (upstream, upstream_call_id);

-- A supervisor's session that takes part in a live call.
CREATE TABLE watchers (
    call_id TEXT NOT NULL REFERENCES calls (id),
    session_id TEXT NOT NULL REFERENCES sessions (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    mode TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (call_id, session_id)
);

CREATE INDEX watchers_by_user ON watchers (user_id);
CREATE INDEX watchers_by_session ON watchers (session_id);

CREATE TABLE recordings (
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL REFERENCES calls (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- recording, sealed, stored, failed or erased
    state TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL DEFAULT 0,
    -- JSON arrays as in the manifest
    channels TEXT NOT NULL DEFAULT '[]',
    gaps TEXT NOT NULL DEFAULT '[]',
    pauses TEXT NOT NULL DEFAULT '[]',
    bytes BIGINT NOT NULL DEFAULT 0,
    sha256 TEXT NOT NULL DEFAULT '',
    -- tap or vendor
    source TEXT NOT NULL DEFAULT 'tap',
    fetched_at BIGINT,
    error TEXT,
    -- name of the media file below the store's root, empty until stored
    object TEXT NOT NULL DEFAULT ''
);

CREATE INDEX recordings_by_call ON recordings (call_id, started_at);
CREATE INDEX recordings_by_client ON recordings (client_id, started_at);

-- How far each call's events are applied: an event with this (fence, seq) or an earlier one is old.
CREATE TABLE event_cursors (
    call_id TEXT PRIMARY KEY,
    fence BIGINT NOT NULL,
    seq BIGINT NOT NULL
);

-- Webhooks that were taken, so that a repeated one has no effect.
CREATE TABLE webhook_receipts (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (source, event_id)
);

CREATE INDEX webhook_receipts_by_age ON webhook_receipts (received_at);

-- When a part was last known to work: bounds the end of calls that died with it.
CREATE TABLE heartbeats (
    part TEXT PRIMARY KEY,
    at BIGINT NOT NULL
);

-- Recordings as something to rely on: their keys, pauses, holds, retention, erasure, who heard them.

-- the data key, wrapped by the master key; NULL: the object is not encrypted, or was erased.
-- Nothing in the store has it, so that a backup of the store cannot be read after an erasure.
ALTER TABLE recordings ADD COLUMN wrapped_key TEXT;
-- names the master key that wrapped it
ALTER TABLE recordings ADD COLUMN key_id TEXT;
-- the tenant's slug that the key is wrapped for (the tenant as it was when the take began)
ALTER TABLE recordings ADD COLUMN key_tenant TEXT;
-- JSON array as `extra` of the manifest: further media files
ALTER TABLE recordings ADD COLUMN extra TEXT NOT NULL DEFAULT '[]';
-- container of the object: ogg; wav or mp3 for what a vendor recorded
ALTER TABLE recordings ADD COLUMN format TEXT NOT NULL DEFAULT 'ogg';
-- 1: something is being lost right now
ALTER TABLE recordings ADD COLUMN degraded BIGINT NOT NULL DEFAULT 0;
-- 1: not erased, whoever asks
ALTER TABLE recordings ADD COLUMN legal_hold BIGINT NOT NULL DEFAULT 0;
-- when its last sample was recorded; NULL while it goes on
ALTER TABLE recordings ADD COLUMN ended_at BIGINT;
UPDATE recordings SET ended_at = started_at + duration_ms WHERE state IN ('stored', 'failed');
-- erasure: when it was decided (the key is gone from then on), when the last object was
ALTER TABLE recordings ADD COLUMN erased_at BIGINT;
ALTER TABLE recordings ADD COLUMN erase_done_at BIGINT;

CREATE INDEX recordings_to_erase ON recordings (erased_at) WHERE erase_done_at IS NULL AND erased_at IS NOT NULL;
CREATE INDEX recordings_by_age ON recordings (client_id, ended_at) WHERE erased_at IS NULL;

-- A pause that holds now: written before anybody is told, so that whoever carries the call keeps
-- nothing. recording_state is its lamp, this is its truth.
ALTER TABLE calls ADD COLUMN paused_by TEXT;
ALTER TABLE calls ADD COLUMN paused_at BIGINT;
-- when it ends by itself
ALTER TABLE calls ADD COLUMN resume_at BIGINT;
-- 1: whoever carries the call has said that it keeps nothing
ALTER TABLE calls ADD COLUMN pause_confirmed BIGINT NOT NULL DEFAULT 0;

CREATE INDEX calls_to_resume ON calls (resume_at) WHERE resume_at IS NOT NULL;

-- What a tenant wants kept, and for how long. No row: kept until somebody erases it.
CREATE TABLE retention (
    client_id TEXT PRIMARY KEY REFERENCES clients (id),
    -- NULL: for ever
    days BIGINT,
    -- 1: nothing of the tenant is erased
    legal_hold BIGINT NOT NULL DEFAULT 0,
    -- 1: a DTMF digit pauses
    pause_on_dtmf BIGINT NOT NULL DEFAULT 0,
    -- seconds after which a pause ends by itself; NULL: it does not
    resume_after_seconds BIGINT,
    -- secret of the pause webhook, encrypted by the master key; NULL: there is none
    pause_webhook_secret TEXT,
    updated_at BIGINT NOT NULL
);

-- Who did or heard what. Rows are added, never changed.
CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    at BIGINT NOT NULL,
    -- a user's id, or a rule's name
    actor TEXT NOT NULL,
    -- address of the client, where there is one
    address TEXT,
    -- for example recording.paused, recording.played, recording.erased
    action TEXT NOT NULL,
    -- call, recording or client
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    -- JSON object
    detail TEXT NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_by_time ON audit (client_id, at, id);
CREATE INDEX audit_by_subject ON audit (client_id, subject_kind, subject_id, at);

-- Spool folders that may report takes: a folder keeps the token it was given last.
CREATE TABLE spools (
    id TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    -- what the folder keeps; NULL: not confirmed yet
    token TEXT,
    -- what it was offered and may keep already
    offered TEXT,
    seen_at BIGINT NOT NULL
);

CREATE INDEX spools_by_place ON spools (place);

-- Recordings that a vendor made, to be fetched into the store.
CREATE TABLE vendor_recordings (
    -- also the recording's id
    id TEXT PRIMARY KEY,
    call_id TEXT NOT NULL REFERENCES calls (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    vendor TEXT NOT NULL,
    -- encrypted by the master key; never shown
    original_url TEXT NOT NULL,
    -- hash of vendor and URL: the same one is fetched once
    url_hash TEXT NOT NULL,
    -- the object, once stored
    stored_url TEXT,
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT,
    fetched_at BIGINT,
    error TEXT,
    UNIQUE (client_id, url_hash)
);

CREATE INDEX vendor_recordings_due ON vendor_recordings (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- What the wall clock said when the machine had been up for that long, by the machine's starts:
-- nothing is erased because somebody sets the clock forward.
CREATE TABLE boots (
    id TEXT PRIMARY KEY,
    wall_ms BIGINT NOT NULL,
    since_boot_ms BIGINT NOT NULL
);

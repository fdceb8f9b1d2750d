-- Calls that are heard through a socket of their upstream, and what of calls must not be kept.

-- Why a live call is not heard as it should be; NULL while it is.
ALTER TABLE calls ADD COLUMN degraded TEXT;

-- 1 while, by what is reported of the call, there is somebody to be heard through its listen_url.
ALTER TABLE upstream_calls ADD COLUMN hearable BIGINT NOT NULL DEFAULT 0;

CREATE INDEX upstream_calls_hearable ON upstream_calls (call_id) WHERE hearable = 1;

-- When a call's recording was paused: what was said then is kept nowhere, whoever reports it.
CREATE TABLE call_pauses (
    call_id TEXT NOT NULL REFERENCES calls (id),
    from_at BIGINT NOT NULL,
    -- NULL while it goes on
    to_at BIGINT,
    PRIMARY KEY (call_id, from_at)
);

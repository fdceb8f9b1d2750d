-- Figures of calls, kept while calls change, so that reading them costs the same however many
-- calls there are.

-- Calls by the hour in which they began. Changed in the transaction that changes the call.
CREATE TABLE call_hours (
    client_id TEXT NOT NULL,
    -- hours since the Unix epoch
    hour BIGINT NOT NULL,
    -- empty: none
    branch_id TEXT NOT NULL,
    -- of ended calls: the outcome, or the end's class where there is none; empty: not ended
    outcome TEXT NOT NULL,
    total BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    -- ended with class completed
    completed BIGINT NOT NULL,
    -- length of the ended ones together
    duration_ms BIGINT NOT NULL,
    PRIMARY KEY (client_id, hour, branch_id, outcome)
);

-- The same by agent; calls without one are not in it.
CREATE TABLE agent_hours (
    client_id TEXT NOT NULL,
    hour BIGINT NOT NULL,
    agent_id TEXT NOT NULL,
    total BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    PRIMARY KEY (client_id, hour, agent_id)
);

-- Which calls there were at a moment: those that ended later and began earlier.
CREATE INDEX calls_by_end ON calls (client_id, ended_at, started_at);

-- Calls under the names that existing reports use. Times are milliseconds since the Unix epoch as
-- everywhere here, duration is in seconds and NULL while the call goes on.
CREATE VIEW call_logs AS
SELECT
    c.id AS "id",
    (SELECT u.id FROM users u JOIN memberships m ON m.user_id = u.id AND m.client_id = c.client_id
        WHERE u.id = c.agent_id OR u.username = c.agent_id ORDER BY u.id LIMIT 1) AS "userId",
    c.agent_id AS "agentConfigId",
    CASE WHEN c.direction = 'outbound' THEN c.to_party ELSE c.from_party END AS "phoneNumber",
    c.started_at AS "startedAt",
    c.ended_at AS "endedAt",
    c.livekit_room_name AS "livekitRoomName",
    CASE WHEN c.upstream = 'livekit' THEN c.upstream_call_id END AS "livekitRoomSid",
    c.direction AS "direction",
    c.status AS "status",
    COALESCE(c.outcome, c.end_class) AS "outcome",
    (c.ended_at - c.started_at) / 1000 AS "duration",
    CASE WHEN c.upstream = 'sip' THEN c.upstream_call_id END AS "sipCallId",
    (SELECT '/api/recordings/' || r.id || '/audio' FROM recordings r
        WHERE r.call_id = c.id AND r.state = 'stored'
        ORDER BY r.started_at DESC, r.id DESC LIMIT 1) AS "recordingUrl",
    c.call_metadata AS "call_metadata",
    c.started_at AS "createdAt",
    COALESCE(c.ended_at, c.seen_at) AS "updatedAt"
FROM calls c;

-- What people and models write about calls, who answers them, alerts, and outgoing webhooks.

-- Something written about a call.
CREATE TABLE annotations (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    call_id TEXT NOT NULL REFERENCES calls (id),
    -- whisper_pill, note, bookmark or flag
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    -- the moment it is about, since the call's start
    at_ms BIGINT,
    user_id TEXT NOT NULL,
    -- the name they had then
    user_name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX annotations_by_call ON annotations (call_id, created_at, id);

-- How somebody judges a call: one row per person, the last judgement.
CREATE TABLE feedback (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    call_id TEXT NOT NULL REFERENCES calls (id),
    -- 1 to 5
    rating BIGINT NOT NULL,
    remark TEXT,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (call_id, user_id)
);

CREATE INDEX feedback_by_time ON feedback (client_id, created_at);

-- What supervisors did to or about a call. Rows are added by the acts, never changed.
CREATE TABLE supervisor_actions (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    call_id TEXT NOT NULL REFERENCES calls (id),
    -- COACH_AGENT, JOIN_CALL, …
    kind TEXT NOT NULL,
    user_id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    -- JSON object
    detail TEXT NOT NULL DEFAULT '{}'
);

CREATE INDEX supervisor_actions_by_call ON supervisor_actions (call_id, at, id);

-- A tenant's quick messages. No row: the defaults.
CREATE TABLE whisper_pills (
    client_id TEXT PRIMARY KEY REFERENCES clients (id),
    -- JSON array of {text, label?}, in order
    pills TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- How somebody likes the dashboard, in each of their tenants.
CREATE TABLE preferences (
    user_id TEXT NOT NULL REFERENCES users (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- JSON object
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- What calls belong together; calls.campaign holds the word.
CREATE TABLE campaigns (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    word TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    -- 1: new calls are put into it by their number
    active BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (client_id, word)
);

-- Calls to this number belong to that campaign.
CREATE TABLE campaign_numbers (
    client_id TEXT NOT NULL REFERENCES clients (id),
    number TEXT NOT NULL,
    campaign_id TEXT NOT NULL REFERENCES campaigns (id),
    PRIMARY KEY (client_id, number)
);

CREATE INDEX campaign_numbers_by_campaign ON campaign_numbers (campaign_id);
CREATE INDEX calls_by_campaign ON calls (client_id, campaign, started_at) WHERE campaign IS NOT NULL;

-- Whether somebody takes calls. No row: they never said.
CREATE TABLE agent_status (
    client_id TEXT NOT NULL REFERENCES clients (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    -- Available, Busy or Offline
    status TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- when they were last connected, or set it; whoever is not seen for a while is offline
    seen_at BIGINT NOT NULL,
    -- 1: they had a real-time connection since they set it
    connected BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (client_id, user_id)
);

CREATE INDEX agent_status_here ON agent_status (seen_at) WHERE status <> 'Offline';
-- the call an agent is in
CREATE INDEX calls_by_agent_active ON calls (client_id, agent_id) WHERE ended_at IS NULL;

-- What models say about a call, part by part.
CREATE TABLE live_parts (
    call_id TEXT NOT NULL REFERENCES calls (id),
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- metrics, phases, objectives, nextActions, coaching, sentiment or system
    part TEXT NOT NULL,
    -- counts the writes, from 1
    version BIGINT NOT NULL,
    -- JSON
    body TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (call_id, part)
);

CREATE TABLE alert_rules (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    name TEXT NOT NULL,
    severity TEXT NOT NULL,
    enabled BIGINT NOT NULL DEFAULT 1,
    -- JSON object
    condition TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX alert_rules_by_client ON alert_rules (client_id, id);

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- NULL: no rule watches it, or the rule is gone
    rule_id TEXT,
    name TEXT NOT NULL,
    kind TEXT,
    severity TEXT NOT NULL,
    -- firing, acknowledged, snoozed or cleared
    state TEXT NOT NULL,
    -- tenant, call or subscription
    subject_kind TEXT NOT NULL,
    -- id of the subject
    subject_id TEXT NOT NULL,
    -- rule and subject while it is open, NULL once it is cleared: one of a kind is open at a time
    open_key TEXT UNIQUE,
    -- JSON number: what was found when it fired
    value TEXT,
    message TEXT NOT NULL,
    fired_at BIGINT NOT NULL,
    cleared_at BIGINT,
    acknowledged_by TEXT,
    acknowledged_name TEXT,
    acknowledged_at BIGINT,
    snoozed_until BIGINT
);

-- calls that failed lately
CREATE INDEX calls_by_failure ON calls (client_id, ended_at) WHERE end_class IN ('upstream', 'ours');

CREATE INDEX alerts_by_time ON alerts (client_id, fired_at, id);
CREATE INDEX alerts_by_rule ON alerts (rule_id, subject_id, fired_at);
CREATE INDEX alerts_snoozed ON alerts (snoozed_until) WHERE state = 'snoozed';

-- Who wants to be told of what.
CREATE TABLE webhook_subscriptions (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (id),
    url TEXT NOT NULL,
    description TEXT,
    -- event words with a blank before and after each, for example ' call.ended alert.fired '
    events TEXT NOT NULL,
    enabled BIGINT NOT NULL DEFAULT 1,
    -- why we switched it off
    disabled_reason TEXT,
    -- encrypted by the master key; the former one signs too until then
    secret TEXT NOT NULL,
    former_secret TEXT,
    former_until BIGINT,
    -- since when every attempt failed
    failing_since BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX webhook_subscriptions_by_client ON webhook_subscriptions (client_id, id);

-- What is owed to subscriptions, and what became of it: written in the transaction of the change.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY,
    subscription_id TEXT NOT NULL REFERENCES webhook_subscriptions (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id),
    -- webhook-id: one for all subscriptions, attempts and replays of an event
    message_id TEXT NOT NULL,
    event TEXT NOT NULL,
    -- the body, JSON
    payload TEXT NOT NULL,
    -- pending, delivered or failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    -- when it is due; whoever delivers sets it forward by compare-and-set and so holds the row
    -- until then. NULL: not pending
    next_attempt_at BIGINT,
    status BIGINT,
    error TEXT,
    duration_ms BIGINT,
    last_attempt_at BIGINT,
    replay_of TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX webhook_deliveries_log ON webhook_deliveries (subscription_id, created_at, id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at) WHERE next_attempt_at IS NULL;

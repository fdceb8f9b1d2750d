-- A call's last transfer to somebody else.

-- JSON, as clients see it
ALTER TABLE calls ADD COLUMN transfer TEXT;
-- the session of whoever transfers, and of a user who answered
ALTER TABLE calls ADD COLUMN transfer_session TEXT;
ALTER TABLE calls ADD COLUMN target_session TEXT;
-- whoever is rung has answered by then, or does not
ALTER TABLE calls ADD COLUMN rings_until BIGINT;
-- 1: it goes on, whom it was transferred to has the call, or the room they talked in is not closed
ALTER TABLE calls ADD COLUMN transfer_tended BIGINT NOT NULL DEFAULT 0;

CREATE INDEX calls_by_tended_transfer ON calls (transfer_tended) WHERE transfer_tended = 1;

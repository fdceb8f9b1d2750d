-- Supervision: what an agent missed.

-- since when a supervisor had the call; NULL once the agent, who has it again, knows what was said
ALTER TABLE calls ADD COLUMN held_since BIGINT;

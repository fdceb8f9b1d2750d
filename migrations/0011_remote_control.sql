-- Calls that are acted on at their vendor.

-- JSON array of parties whom the vendor was told to silence, and not yet to let be heard again
ALTER TABLE upstream_calls ADD COLUMN silenced TEXT NOT NULL DEFAULT '[]';

-- Which numbers are left out of transcripts before they are kept.

-- 1: of cards
ALTER TABLE retention ADD COLUMN redact_cards BIGINT NOT NULL DEFAULT 1;
-- 1: of telephones
ALTER TABLE retention ADD COLUMN redact_phones BIGINT NOT NULL DEFAULT 0;

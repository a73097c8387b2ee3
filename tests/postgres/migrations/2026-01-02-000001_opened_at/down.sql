DROP TRIGGER branches_opened ON branches;
DROP FUNCTION branches_opened;
ALTER TABLE branches DROP COLUMN opened_at;

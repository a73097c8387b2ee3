ALTER TABLE branches ADD COLUMN opened_at TIMESTAMP;

-- What `diesel setup` writes into the first migration of every PostgreSQL project has a body like this one.
CREATE FUNCTION branches_opened() RETURNS trigger AS $body$
BEGIN
    NEW.opened_at := current_timestamp; -- COMMIT; is but a comment
    RETURN NEW;
END;
$body$ LANGUAGE plpgsql;

CREATE TRIGGER branches_opened BEFORE INSERT ON branches FOR EACH ROW EXECUTE FUNCTION branches_opened();

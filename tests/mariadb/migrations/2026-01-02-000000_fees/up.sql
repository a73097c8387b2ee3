ALTER TABLE ledger ADD fee BIGINT NOT NULL DEFAULT 0;
INSERT INTO ledger (account, amount) VALUES (1, 1);

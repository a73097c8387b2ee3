CREATE INDEX CONCURRENTLY ledger_account ON ledger (account);

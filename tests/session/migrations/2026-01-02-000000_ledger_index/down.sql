DROP INDEX ledger_by_account;

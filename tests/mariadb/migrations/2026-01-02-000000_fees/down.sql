ALTER TABLE ledger DROP fee;

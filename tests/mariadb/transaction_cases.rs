//! `TransactionTest` and its neighbours, as SQLAlchemy has them: the stories are `tests/support/cases/transaction.rs`.

aludel_tests::transaction_cases!(aludel_tests::cases::mariadb);

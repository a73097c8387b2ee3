//! `SessionTransactionTest` and its neighbours, as SQLAlchemy has them: the stories are
//! `tests/support/cases/session.rs` and `objects.rs`.

aludel_tests::session_cases!(aludel_tests::cases::postgres);

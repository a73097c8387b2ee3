//! `ResetAgentTest`, as SQLAlchemy has it: the stories are `tests/support/cases/reset.rs`.

aludel_tests::reset_cases!(aludel_tests::cases::postgres);

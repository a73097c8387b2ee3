//! `IsolationLevelTest` and `ConnectionCharacteristicTest`, as SQLAlchemy has them: the stories are
//! `tests/support/cases/isolation.rs`.

aludel_tests::isolation_cases!(aludel_tests::cases::mariadb);

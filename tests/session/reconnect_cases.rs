//! `MockReconnectTest`, `RealReconnectTest`, `HandleErrorTest` and `OnConnectTest`, as SQLAlchemy has them: the stories are
//! `tests/support/cases/reconnect.rs`.

aludel_tests::reconnect_cases!(aludel_tests::cases::sqlite);

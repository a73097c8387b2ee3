//! Sessions on a real `PostgreSQL`, and everything that can happen to its connections.

// Where the stories take place.
mod bank;
mod support;

// What the server, the network and the caller do to a transaction.
mod ambient;
mod arguments;
mod cancelled;
mod chaos;
mod conflict;
mod connect;
mod doomed;
mod doomed_calls;
mod exit;
mod failed_commit;
mod forged;
mod forked;
mod lost_commit;
mod lost_connection;
mod lost_savepoint;
mod once;
mod panics;
mod propagation;
mod provoked;
mod stale_pool;
mod stopped;

// What a session is to those who use it.
mod autobegin;
mod deadlines;
mod design;
mod diesel_api;
mod full_reset;
mod hidden;
mod isolation;
mod logging;
mod migrations;
mod model;
mod model_stories;
mod models;
mod models_programs;
mod objects;
mod proxied;
mod raw;
mod raw_control;
mod regressions;
mod reruns;
mod retry;
mod round_trips;
mod testing;

// SQLAlchemy's cases.
mod isolation_cases;
mod reconnect_cases;
mod reconnecting;
mod reset_agent_cases;
mod sandbox;
mod session_transaction_cases;
mod tls;
mod transaction_cases;
mod verify;
mod waiting;

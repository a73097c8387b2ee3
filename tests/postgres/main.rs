//! Sessions on a real `PostgreSQL`, and everything that can happen to its connections.

mod support;

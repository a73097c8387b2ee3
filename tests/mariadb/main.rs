//! Sessions on a real `MariaDB`, and everything that can happen to its connections.

mod support;

//! The engine's parts as a user meets them: no server, no session.

mod engine;
mod events;
mod hooks;
mod logging;
mod manager;

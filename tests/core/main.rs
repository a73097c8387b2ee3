//! The engine's parts as a user meets them: no server, no session.

mod engine;
mod manager;
mod pool_model;

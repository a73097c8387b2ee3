//! The engine's parts as a user meets them: no server, no session.

mod adopted;
mod config;
mod connecting;
mod engine;
mod events;
mod forgery;
mod hooks;
mod loans;
mod logging;
mod manager;
mod mock;
mod pool_model;
mod shared_cache;
mod testing;
mod url;

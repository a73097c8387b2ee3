//! The engine's parts by themselves: no server, no session.

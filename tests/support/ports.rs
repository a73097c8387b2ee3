//! Loopback ports.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which Linux takes the local ports of outgoing connections: a port from that range could be
/// taken while a server restarts, and a client that keeps knocking there may even end up connected to itself.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// A port of 127.0.0.1 on which nobody listens at the moment. Someone else may take it before you do, so a start on it
/// can fail and is then tried on another one.
///
/// # Panics
///
/// If none of a thousand ports is free.
pub fn free() -> u16 {
    (0..1_000)
        .map(|_| random_port())
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("of a thousand random ports one is free")
}

/// Sixteen random hexadecimal digits, for names and passwords.
pub fn random_word() -> String {
    format!("{:016x}", random())
}

fn random_port() -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(random() % width).expect("the width of the range is a u16")
}

/// Random enough, and without a dependency: the standard library seeds its hash maps from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

//! Without a compiler: what is generated, token for token, and every message that is only `#[retry]`'s.

mod expansion;
mod mistakes;

// A closure of `begin_with` says what its error type is.

use aludel::prelude::*;

fn work<C: Dialect>(session: &mut Session<C>) {
    let _ = session.begin_with(|session| Ok(session.in_transaction()));
}

fn main() {}

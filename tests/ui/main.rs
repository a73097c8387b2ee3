//! What must not compile, and its twin that must: `fail/*.rs` with the compiler's words beside them, `pass/*.rs`.
//!
//! The expectations hold for the toolchain in `rust-toolchain.toml`. `TRYBUILD=overwrite cargo test --test ui` writes
//! them anew.

#[test]
fn what_compiles_and_what_does_not() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}

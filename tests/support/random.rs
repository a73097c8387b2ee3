//! Random cases: the same in each run, and in a long one more of them, and others each time.

use proptest::test_runner::{Config, RngSeed};

/// So many cases, and `long` times as many in a long run (`ALUDEL_TEST_LONG`).
pub fn config(cases: u32, long: u32) -> Config {
    let is_long = std::env::var_os("ALUDEL_TEST_LONG").is_some();
    Config {
        cases: if is_long { cases * long } else { cases },
        rng_seed: if is_long {
            RngSeed::Random
        } else {
            RngSeed::Fixed(0xA1_0DE1)
        },
        failure_persistence: None, // the case is printed, and the usual seed is always the same
        ..Config::default()
    }
}

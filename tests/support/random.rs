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

/// The same with a seed that is known, and printed if something fails. The variable says how many cases there are, and with
/// `_SEED` behind its name which ones.
///
/// # Panics
///
/// If one of them is no number.
pub fn seeded(cases: u32, long: u32, variable: &str) -> (Config, u64) {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        )
    };
    let mut config = config(cases, long);
    let seed = number(&format!("{variable}_SEED")).unwrap_or_else(|| match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    });
    config.rng_seed = RngSeed::Fixed(seed);
    if let Some(cases) = number(variable) {
        config.cases = u32::try_from(cases).unwrap_or(u32::MAX);
    }
    config.max_shrink_iters = 2_000;
    (config, seed)
}

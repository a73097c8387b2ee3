//! Eight pitfalls, each walked into twice, on real servers: first with Diesel and r2d2 as their guides have them, then
//! with Aludel. Each scene says what its caller was told, and what was in the table afterwards.
//!
//! ```text
//! cargo run --example pitfalls --features mysql,postgres
//! ```
//!
//! It starts a MariaDB and a PostgreSQL of its own on loopback ports, and takes them away again; `tests/run
//! --install-only` installs what is missing. With `--markdown` it ends with the table that the README has.
//!
//! Exit code 0: on Aludel's side what was said could be relied on, in every scene; 1: not so. That is a test as well, and so
//! is what Diesel does: `cargo test -p aludel-examples --features mysql,postgres --example pitfalls`.
//!
//! | File | What happens there |
//! |---|---|
//! | `scene` | what a scene is, and what a side has to tell |
//! | `bank` | three accounts, on either server; a deadlock when one is needed |
//! | `report` | what is printed |
//! | the others | one scene each |

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

mod bank;
mod dead_pool;
mod deadlock;
mod lost_answer;
mod lost_savepoint;
mod no_tls;
mod panic;
mod report;
mod scene;
mod swallowed_error;
mod wrong_password;

use report::Played;
use scene::Scene;

const SCENES: [Scene; 8] = [
    deadlock::SCENE,
    swallowed_error::SCENE,
    lost_savepoint::SCENE,
    dead_pool::SCENE,
    wrong_password::SCENE,
    no_tls::SCENE,
    panic::SCENE,
    lost_answer::SCENE,
];

/// Eight pitfalls, with Diesel and r2d2, and with Aludel.
#[derive(Parser)]
#[command(name = "pitfalls")]
struct Options {
    /// Print the table as the README has it, too
    #[arg(long)]
    markdown: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let scenes = play();
    println!("\n{}", report::summary(&scenes));
    if options.markdown {
        println!("\n{}", report::markdown(&scenes).join("\n"));
    }
    let broken: Vec<&str> = scenes
        .iter()
        .filter(|played| !played.aludel.sound)
        .map(|played| played.title)
        .collect();
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("pitfalls: Aludel did not keep its promise in: {}", broken.join(", "));
    ExitCode::FAILURE
}

fn play() -> Vec<Played> {
    let numbered = SCENES.iter().enumerate();
    numbered.map(|(index, scene)| report::play(index + 1, scene)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_what_happens_here() {
        let scenes = play();
        for Played { title, diesel, aludel } in &scenes {
            assert!(aludel.sound, "{title}: Aludel did not keep its promise: {aludel:#?}");
            assert!(
                !diesel.sound,
                "{title}: Diesel has mended this; so the scene can go: {diesel:#?}"
            );
        }
        let readme = include_str!("../../README.md");
        let table = report::markdown(&scenes);
        for line in &table {
            assert!(
                readme.contains(line),
                "README.md does not have this line of the table, which `--markdown` prints:\n{line}"
            );
        }
    }
}

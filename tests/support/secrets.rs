//! Everything that a program could see of an engine, to look for a password in it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use aludel::prelude::*;
use aludel::{Echo, Url};
use tracing::Level;

use crate::capture::Capture;

/// A password's first and last letters: wherever one of them shows up, a part of it does.
pub const MARKS: [&str; 2] = ["Zq7", "Xw9"];

/// A password with an odd character in its middle.
#[derive(Clone, Debug)]
pub struct Password {
    /// As the server knows it.
    pub plain: String,
    /// As it stands in a URL.
    pub written: String,
}

/// Passwords with every ASCII character and some others in them, percent-encoded, and raw as far as a URL takes that.
pub fn passwords() -> Vec<Password> {
    let others = ['é', 'ß', '√', '密', '🔑', '\u{a0}', '\u{202e}'];
    let mut passwords = Vec::new();
    for odd in (0_u8..128).map(char::from).chain(others) {
        let plain = format!("{}{odd}m{odd}{odd}{}", MARKS[0], MARKS[1]);
        let encoded = percent_encoded(&plain);
        // So that a mark is found in whichever spelling it appears.
        let half = format!("{}{}{}", MARKS[0], &encoded[9..encoded.len() - 9], MARKS[1]);
        passwords.extend([encoded, half, plain.clone()].map(|written| Password {
            plain: plain.clone(),
            written,
        }));
    }
    passwords
}

/// Every byte of a text as a URL may have it.
pub fn percent_encoded(plain: &str) -> String {
    plain.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02X}");
        text
    })
}

/// Runs a story on an engine that shows whatever it can, and gives all of that in one text: the log at TRACE, events, hooks,
/// metrics, `Debug` of everything, and errors with their causes, as they are printed and as a panic shows them.
pub fn shown_by<C: Dialect>(url: &str, story: impl FnOnce(&Engine<C>) -> aludel::Result<()>) -> String {
    shown_with(url, false, story)
}

/// [`shown_by`], with bind values and rows or, as it is by default, without.
pub fn shown_with<C: Dialect>(
    url: &str,
    hide_parameters: bool,
    story: impl FnOnce(&Engine<C>) -> aludel::Result<()>,
) -> String {
    let capture = Capture::new(Level::TRACE);
    let seen = Arc::new(Mutex::new(String::new()));
    let write = |text: String| {
        let seen = Arc::clone(&seen);
        let _ = writeln!(seen.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
    };
    capture.during(|| match Url::parse(url) {
        Err(error) => write(format!("{error} {error:?}")),
        Ok(parsed) => {
            write(format!("{parsed} {parsed:?}"));
            let [one, two, three, four] = [(); 4].map(|()| Arc::clone(&seen));
            let keep = |into: &Mutex<String>, text: String| {
                let _ = writeln!(into.lock().unwrap_or_else(PoisonError::into_inner), "{text}");
            };
            let builder = Engine::<C>::builder(parsed)
                .echo(Echo::Debug)
                .echo_pool(Echo::Debug)
                .hide_parameters(hide_parameters)
                .parameters_in_errors(true)
                .pool_metrics(true)
                .listen(move |event| keep(&one, format!("{event:?}")))
                .listen_statements(move |event| keep(&two, format!("{event:?}")))
                .on_connect(move |_, info| {
                    keep(&three, format!("{info:?}"));
                    Ok(())
                })
                .handle_error(move |context| keep(&four, format!("{context:?}")));
            write(format!("{builder:?}"));
            match builder.build() {
                Err(error) => write(format!("{error} {error:?}")),
                Ok(engine) => {
                    let told = story(&engine);
                    write(format!("{engine:?} {:?} {}", engine.pool(), engine.metrics()));
                    write(format!("{:?}", engine.session()));
                    if let Err(error) = told {
                        let mut cause = error.source();
                        while let Some(error) = cause {
                            write(format!("{error} {error:?}"));
                            cause = error.source();
                        }
                        // The last is what `unwrap` and `expect` would say.
                        write(format!("{error} {error:#?} {error:?}"));
                    }
                }
            }
        }
    });
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    format!("{}{seen}", capture.everything())
}

/// Looks for a password.
///
/// # Panics
///
/// If a part of it is there; the message shows what was looked at.
#[track_caller]
pub fn expect_hidden(password: &Password, shown: &str) {
    for part in MARKS
        .iter()
        .copied()
        .chain([password.plain.as_str(), &password.written])
    {
        assert!(!shown.contains(part), "{part:?} of {password:?} is in\n{shown}");
    }
}

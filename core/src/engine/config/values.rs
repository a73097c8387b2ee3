//! What a text may stand for. An error says what it must be, and never what it is: it may be a secret in the wrong place.

use std::time::Duration;

use crate::classify::Class;
use crate::dialect::characteristics::isolation_levels;
use crate::dialect::{AccessMode, Deferrable, Dialect, IsolationLevel};
use crate::error::OnExit;
use crate::log::Echo;
use crate::pool::{AnyKind, Assertion, Null, PrePing, Queue, ResetOnReturn, Static, ThreadLocal};
use crate::retry::{Backoff, CommitPolicy, RetryBudget};

type Answer<T> = Result<T, String>;

/// SQLAlchemy's words for booleans.
pub(super) fn switch(text: &str) -> Answer<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Ok(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Ok(false),
        _ => Err("it must be true or false".to_owned()),
    }
}

/// With or without SQLAlchemy's `Pool` behind it, in any case.
pub(super) fn pool_kind<C: Dialect>(text: &str) -> Answer<AnyKind<C>> {
    let name = text.to_ascii_lowercase().replace('_', "");
    Ok(match name.strip_suffix("pool").unwrap_or(&name) {
        "queue" => Queue.into(),
        "null" => Null.into(),
        "threadlocal" | "singletonthread" => ThreadLocal.into(),
        "static" => Static.into(),
        "assertion" => Assertion.into(),
        _ => return Err("it must be queue, null, thread_local, static or assertion".to_owned()),
    })
}

pub(super) fn on_exit(text: &str) -> Answer<OnExit> {
    match text.to_ascii_lowercase().as_str() {
        "invalidate" => Ok(OnExit::Invalidate),
        "rollback_if_idle" => Ok(OnExit::RollbackIfIdle),
        _ => Err("it must be invalidate or rollback_if_idle".to_owned()),
    }
}

pub(super) fn connections(text: &str) -> Answer<usize> {
    text.parse()
        .map_err(|_| "it must be a number of connections, 0 or more".to_owned())
}

/// `None` for no limit.
pub(super) fn overflow(text: &str) -> Answer<Option<usize>> {
    match text {
        "-1" => Ok(None),
        _ => text
            .parse()
            .map(Some)
            .map_err(|_| "it must be a number of connections, or -1 for no limit".to_owned()),
    }
}

pub(super) fn time(text: &str) -> Answer<Duration> {
    seconds_or_units(text).ok_or_else(|| format!("it must be {TIME}"))
}

/// `None` for never.
pub(super) fn time_or_never(text: &str) -> Answer<Option<Duration>> {
    match text.to_ascii_lowercase().as_str() {
        "-1" | "never" | "none" => Ok(None),
        _ => seconds_or_units(text)
            .map(Some)
            .ok_or_else(|| format!("it must be {TIME}, or -1 for never")),
    }
}

const TIME: &str = "a time: a number of seconds (30, 0.5), or with units (30s, 500ms, 1h 30m)";

fn seconds_or_units(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

/// A bare number is a boolean here, as in SQLAlchemy: `1` must not become a second.
pub(super) fn pre_ping(text: &str) -> Answer<PrePing> {
    match switch(text) {
        Ok(true) => Ok(PrePing::Always),
        Ok(false) => Ok(PrePing::Never),
        Err(_) => humantime::parse_duration(text).map(PrePing::IdleFor).map_err(|_| {
            "it must be true, false, or the time of idling after which to ping, with its unit (500ms)".to_owned()
        }),
    }
}

pub(super) fn reset_on_return(text: &str) -> Answer<ResetOnReturn> {
    match text.to_ascii_lowercase().as_str() {
        "rollback" | "true" => Ok(ResetOnReturn::Rollback),
        "commit" => Ok(ResetOnReturn::Commit),
        "none" | "false" => Ok(ResetOnReturn::None),
        "full" => Ok(ResetOnReturn::Full),
        _ => Err("it must be rollback, commit, none or full".to_owned()),
    }
}

pub(super) fn isolation_level<C: Dialect>(text: &str) -> Answer<IsolationLevel> {
    IsolationLevel::parse::<C>(&text.replace('-', "_")).map_err(|_| {
        let known: Vec<&str> = isolation_levels(C::FLAVOUR).iter().map(|level| level.sql()).collect();
        format!("it must be one of {}", known.join(", "))
    })
}

/// A boolean, or SQLAlchemy's third degree.
pub(super) fn echo(text: &str) -> Answer<Echo> {
    if text.eq_ignore_ascii_case("debug") {
        return Ok(Echo::Debug);
    }
    switch(text)
        .map(Echo::from)
        .map_err(|_| "it must be true, false or debug".to_owned())
}

pub(super) fn access_mode(text: &str) -> Answer<AccessMode> {
    AccessMode::parse(text).map_err(|_| "it must be READ WRITE or READ ONLY".to_owned())
}

pub(super) fn deferrable(text: &str) -> Answer<Deferrable> {
    Ok(if switch(text)? {
        Deferrable::Deferrable
    } else {
        Deferrable::NotDeferrable
    })
}

pub(super) fn attempts(text: &str) -> Answer<u32> {
    match text.parse() {
        Ok(attempts) if attempts > 0 => Ok(attempts),
        _ => Err("it must be a number of attempts, 1 or more".to_owned()),
    }
}

pub(super) fn page(text: &str) -> Answer<usize> {
    match text.parse() {
        Ok(rows) if rows > 0 => Ok(rows),
        _ => Err("it must be a number of rows, 1 or more".to_owned()),
    }
}

pub(super) fn commit_policy(text: &str) -> Answer<CommitPolicy> {
    match text.to_ascii_lowercase().as_str() {
        "fail" => Ok(CommitPolicy::Fail),
        "verify" => Ok(CommitPolicy::Verify),
        "idempotent" => Ok(CommitPolicy::Idempotent),
        _ => Err("it must be fail, verify or idempotent".to_owned()),
    }
}

pub(super) fn classes(text: &str) -> Answer<Vec<Class>> {
    let class = |word: &str| match word.trim().to_ascii_lowercase().as_str() {
        "retry" => Ok(Class::Retry),
        "disconnect" => Ok(Class::Disconnect),
        "failover" => Ok(Class::Failover),
        "busy" => Ok(Class::Busy),
        _ => Err("it must be some of retry, disconnect, failover, busy, with commas between them".to_owned()),
    };
    text.split(',').map(class).collect()
}

/// Two times with their units, or that there is no pause.
pub(super) fn backoff(text: &str) -> Answer<Backoff> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Backoff::NONE);
    }
    let times = text.split_once("..").and_then(|(base, cap)| {
        let time = |text: &str| humantime::parse_duration(text.trim()).ok();
        Some((time(base)?, time(cap)?)).filter(|(base, cap)| base <= cap)
    });
    times
        .map(|(base, cap)| Backoff::exponential(base, cap))
        .ok_or_else(|| "it must be the shortest and the longest pause, as 10ms..2s, or none".to_owned())
}

pub(super) fn budget(text: &str) -> Answer<RetryBudget> {
    match text {
        "-1" => Ok(RetryBudget::UNLIMITED),
        _ => text
            .parse()
            .map(RetryBudget::tokens)
            .map_err(|_| "it must be a number of tokens, or -1 for no limit".to_owned()),
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::SqliteConnection;

    use super::*;

    #[test]
    fn booleans() {
        for text in ["true", "True", "YES", "on", "1", "t", "y"] {
            assert_eq!(switch(text), Ok(true), "{text}");
        }
        for text in ["false", "No", "off", "0", "f", "n"] {
            assert_eq!(switch(text), Ok(false), "{text}");
        }
        assert!(switch("maybe").is_err() && switch("").is_err());
    }

    #[test]
    fn times() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("0.5", 500),
            ("30s", 30_000),
            ("500ms", 500),
            ("1h 30m", 5_400_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(
                time_or_never(text),
                Ok(Some(Duration::from_millis(milliseconds))),
                "{text}"
            );
        }
        for text in ["-1", "never", "None"] {
            assert_eq!(time_or_never(text), Ok(None));
            assert!(time(text).is_err());
        }
        for text in ["", "soon", "-2", "inf", "NaN", "1e300", "5 parsecs"] {
            assert!(time(text).is_err() && time_or_never(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pre_ping_is_a_boolean_or_a_time_with_a_unit() {
        assert_eq!(pre_ping("1"), Ok(PrePing::Always));
        assert_eq!(pre_ping("False"), Ok(PrePing::Never));
        assert_eq!(pre_ping("500ms"), Ok(PrePing::IdleFor(Duration::from_millis(500))));
        assert!(pre_ping("500").is_err() && pre_ping("-1").is_err());
    }

    #[test]
    fn what_is_said_of_retries() {
        let pauses = Backoff::exponential(Duration::from_millis(10), Duration::from_secs(2));
        assert_eq!(
            (backoff("10ms..2s"), backoff(" 10ms .. 2s"), backoff("None")),
            (Ok(pauses), Ok(pauses), Ok(Backoff::NONE))
        );
        for text in ["", "10ms", "10..20", "2s..10ms", "10ms..", "..", "10ms..2s..3s"] {
            assert!(backoff(text).is_err(), "{text}");
        }
        assert_eq!(classes("retry, Disconnect"), Ok(vec![Class::Retry, Class::Disconnect]));
        assert!(classes("").is_err() && classes("retry, permanent").is_err());
        assert_eq!(
            (attempts("3"), budget("-1"), budget("7")),
            (Ok(3), Ok(RetryBudget::UNLIMITED), Ok(RetryBudget::tokens(7)))
        );
        assert!(attempts("0").is_err() && budget("-2").is_err() && budget("many").is_err());
        assert_eq!(
            (commit_policy("VERIFY"), commit_policy("pray").is_err()),
            (Ok(CommitPolicy::Verify), true)
        );
    }

    #[test]
    fn numbers_and_words() {
        assert_eq!(
            (connections("0"), overflow("-1"), overflow("3")),
            (Ok(0), Ok(None), Ok(Some(3)))
        );
        assert!(connections("-1").is_err() && overflow("-2").is_err() && connections("five").is_err());
        for (text, reset) in [
            ("rollback", ResetOnReturn::Rollback),
            ("True", ResetOnReturn::Rollback),
            ("COMMIT", ResetOnReturn::Commit),
            ("none", ResetOnReturn::None),
            ("full", ResetOnReturn::Full),
        ] {
            assert_eq!(reset_on_return(text), Ok(reset), "{text}");
        }
        for text in ["read uncommitted", "READ_UNCOMMITTED", "Read-Uncommitted"] {
            let level = isolation_level::<SqliteConnection>(text);
            assert_eq!(level, Ok(IsolationLevel::ReadUncommitted), "{text}");
        }
        let refused = isolation_level::<SqliteConnection>("chaos").unwrap_err();
        assert_eq!(refused, "it must be one of SERIALIZABLE, READ UNCOMMITTED, AUTOCOMMIT");
    }
}

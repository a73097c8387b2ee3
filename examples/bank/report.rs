//! The tables at the end.

use std::sync::atomic::{AtomicU64, Ordering};

use aludel_examples::{heading, table, thousands};

use crate::Options;
use crate::audit::Audit;
use crate::chaos::Branch;
use crate::tally::Tally;
use crate::work::Day;

/// What the callers were told.
pub(crate) fn day(options: &Options, day: &Day) {
    let with = if options.plain {
        "Diesel and r2d2 alone"
    } else {
        "Aludel"
    };
    heading(&format!("What the callers were told, with {with}"));
    let done = day.acknowledged.len();
    let mut rows = vec![
        row("transfers done", done),
        ["  a second".to_owned(), format!("{:.0}", per_second(done, day))],
        row("refused, too little money", day.overdrawn),
        row("failed", day.failures()),
        [
            "the longest wait".to_owned(),
            format!("{:.2} s", day.slowest.as_secs_f64()),
        ],
    ];
    if !options.plain {
        rows.insert(2, row("  found done by a lost COMMIT", day.had_happened));
    }
    println!("{}", table(&["answer", "calls"], rows));
    if !day.failed.is_empty() {
        heading("What the failed calls were told");
        let rows = day.failed.iter().map(|(error, count)| row(error, *count));
        println!("{}", table(&["error", "calls"], rows));
    }
}

/// What happened below.
pub(crate) fn below(options: &Options, branch: &Branch, tally: &Tally) {
    heading("What happened below");
    let mut rows = vec![row("connections opened", load(&branch.enrolled))];
    if options.chaos {
        rows.push(row("connections killed, anywhere", load(&branch.killed_anywhere)));
        rows.push(row("connections killed, in COMMIT", load(&branch.killed_in_commit)));
        rows.push(row("write lock held", load(&branch.locks_held)));
        rows.retain(|[what, count]| count != "0" || what.starts_with("connections opened"));
    }
    if !options.plain {
        rows.push(row("whole pool retired", load(&tally.retired)));
        rows.push(row("COMMITs without an answer", load(&tally.unknown_commits)));
        rows.push(row("transactions run again", load(&tally.reruns)));
        let classes = tally.reruns_by_class();
        rows.extend(
            classes
                .iter()
                .map(|(class, count)| row(format!("  after a {class} fault"), *count)),
        );
    }
    println!("{}", table(&["event", "count"], rows));
    let faults = tally.faults();
    if !faults.is_empty() {
        heading("What the driver answered, and how it was taken");
        let rows = faults
            .into_iter()
            .map(|([phase, class, text], count)| [text, phase, class, count.to_string()]);
        println!("{}", table(&["the driver's words", "in", "class", "count"], rows));
    }
}

/// The books, and what to think of them.
pub(crate) fn books(audit: &Audit, day: &Day) {
    heading("The books");
    let rows = [
        ["money at the start".to_owned(), thousands(audit.expected)],
        ["money at the end".to_owned(), thousands(audit.found)],
        row("transfers on record", audit.recorded),
        row("acknowledged, but not once on record", audit.lost),
        row("on record, but the caller was told no", audit.unacknowledged),
        row("accounts that differ from the records", audit.wrong_accounts),
        row("accounts below zero", audit.below_zero),
    ];
    println!("{}", table(&["the audit", "found"], rows));
    println!("{}", verdict(audit, day));
}

fn verdict(audit: &Audit, day: &Day) -> String {
    let mut sentences = vec![if audit.balances() {
        "The books balance.".to_owned()
    } else {
        "THE BOOKS DO NOT BALANCE.".to_owned()
    }];
    sentences.push(match day.failures() {
        0 => "No call failed.".to_owned(),
        failures => format!("{failures} calls failed, and their callers are left to find out what to do."),
    });
    if audit.unacknowledged > 0 {
        sentences.push(format!(
            "{} transfers were done although their callers were told otherwise: whoever tries again pays twice.",
            audit.unacknowledged
        ));
    }
    sentences.join(" ")
}

fn row(what: impl Into<String>, count: impl TryInto<i64>) -> [String; 2] {
    [what.into(), thousands(count.try_into().unwrap_or(i64::MAX))]
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[expect(clippy::cast_precision_loss, reason = "nobody reads more than a few digits of it")]
fn per_second(count: usize, day: &Day) -> f64 {
    count as f64 / day.lasted.as_secs_f64()
}

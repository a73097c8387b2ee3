//! Conversations in which a rule is broken, and how each is told.

use super::*;

/// `1 BEGIN`, `1 -` (ok), `1 !` (an error), `1 ?` (executed, and the answer lost), `1 ~` (never arrives), `1 .` (the end);
/// `step 1 2 3` is call 1, run 2, number 3.
fn lines(text: &str) -> Vec<Line> {
    let line = |text: &str| {
        let (connection, what) = text.trim().split_once(' ').expect("a number and what went by");
        Line {
            connection: connection.parse().expect("a number"),
            went: match what {
                "-" => Went::Answered { refused: false },
                "!" => Went::Answered { refused: true },
                "?" => Went::AnswerLost { refused: false },
                "~" => Went::NeverArrived,
                "." => Went::Ended,
                sql => Went::Asked(sql.to_owned()),
            },
        }
    };
    text.split(',').map(line).collect()
}

fn step(sql: &str) -> Option<Step> {
    let mut numbers = sql.strip_prefix("step ")?.split(' ').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let (call, run, number) = (next()?, next()?, next()?);
    Some(Step { call, run, number })
}

fn checked(text: &str, again: Again) -> Result<Books, String> {
    check(&lines(text), step, |_| again)
}

#[track_caller]
fn broken(text: &str, again: Again, told: &str) {
    let error = checked(text, again).expect_err("a rule is broken");
    assert!(error.contains(told), "{error}");
}

#[track_caller]
fn sound(text: &str, again: Again) -> Vec<(u32, u32, u32)> {
    let books = checked(text, again).unwrap_or_else(|error| panic!("{error}"));
    let triple = |step: Step| (step.call, step.run, step.number);
    books.sure.into_iter().map(triple).collect()
}

#[test]
fn a_run_after_a_rollback_is_in_order() {
    let again = "1 BEGIN,1 -,1 step 1 1 1,1 !,1 ROLLBACK,1 -,1 BEGIN,1 -,1 step 1 2 1,1 -,1 COMMIT,1 -";
    assert_eq!(sound(again, Again::Known), [(1, 2, 1)]);
    broken(again, Again::Never, "not one that runs again");
    let elsewhere = "1 BEGIN,1 -,1 step 1 1 1,1 .,2 BEGIN,2 -,2 step 1 2 1,2 -,2 COMMIT,2 -";
    assert_eq!(sound(elsewhere, Again::Known), [(1, 2, 1)]);
    let refused = "1 BEGIN,1 -,1 step 1 1 1,1 -,1 COMMIT,1 !,1 ROLLBACK,1 -,1 BEGIN,1 -,1 step 1 2 1,1 -,1 COMMIT,1 -";
    assert_eq!(sound(refused, Again::Known), [(1, 2, 1)]);
}

#[test]
fn nothing_runs_again_inside_a_transaction() {
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 !,1 step 1 1 1,1 -,1 COMMIT,1 -",
        Again::Known,
        "something inside of it was run again",
    );
    broken(
        "1 BEGIN,1 -,1 SAVEPOINT a,1 -,1 step 1 1 1,1 !,1 ROLLBACK TO a,1 -,1 step 1 1 1,1 -,1 COMMIT,1 -",
        Again::Known,
        "something inside of it was run again",
    );
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 -,1 step 1 2 2,1 -,1 COMMIT,1 -",
        Again::Known,
        "(1, 2) in the transaction of (1, 1)",
    );
    broken(
        "1 BEGIN,1 -,1 COMMIT,1 -,1 step 1 1 1,1 -",
        Again::Known,
        "outside of a transaction",
    );
    broken("1 BEGIN,1 !,1 step 1 1 1,1 -", Again::Known, "outside of a transaction");
}

#[test]
fn nothing_runs_again_after_an_unknown_commit() {
    let rest = "2 BEGIN,2 -,2 step 1 2 1,2 -,2 COMMIT,2 -";
    let look = "2 SELECT outcome FROM aludel_commits WHERE token = $1,2 -";
    for (commit, executed) in [("1 ?", true), ("1 ~", false), ("1 .", false)] {
        let first = format!("1 BEGIN,1 -,1 step 1 1 1,1 -,1 COMMIT,{commit}");
        let end = if commit == "1 ." { "" } else { "1 .," };
        let (again, looked) = (format!("{first},{end}{rest}"), format!("{first},{end}{look},{rest}"));
        broken(&again, Again::Known, "never answered");
        let told = if executed {
            "was executed"
        } else {
            "looked at the tokens"
        };
        broken(&again, Again::Verified, told);
        if executed {
            broken(&looked, Again::Verified, "was executed");
            assert_eq!(sound(&again, Again::Promised), [(1, 1, 1), (1, 2, 1)]);
        } else {
            assert_eq!(sound(&looked, Again::Verified), [(1, 2, 1)]);
            assert_eq!(sound(&again, Again::Promised), [(1, 2, 1)]);
        }
    }
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 -,1 COMMIT,1 -,1 BEGIN,1 -,1 step 1 2 1,1 -",
        Again::Promised,
        "it was committed",
    );
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 -,1 COMMIT,1 ?,1 ROLLBACK,1 -",
        Again::Known,
        "COMMIT was never answered here",
    );
}

#[test]
fn nothing_runs_again_without_a_rollback() {
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 !,1 BEGIN,1 -,1 step 1 2 1,1 -,1 COMMIT,1 -",
        Again::Known,
        "neither committed nor rolled back",
    );
    broken(
        "1 BEGIN,1 -,1 step 1 1 1,1 -,1 COMMIT,1 !,1 COMMIT,1 -",
        Again::Known,
        "there was no ROLLBACK",
    );
    let left = "1 BEGIN,1 -,1 step 1 1 1,1 !,2 BEGIN,2 -,2 step 1 2 1,2 -,2 COMMIT,2 -";
    broken(left, Again::Known, "left open");
    assert_eq!(sound(&format!("{left},1 ."), Again::Known), [(1, 2, 1)]);
    broken(
        &format!("{left},1 ROLLBACK,1 -"),
        Again::Known,
        "went by elsewhere before this",
    );
}

#[test]
fn what_a_savepoint_undoes_is_not_there() {
    let text = "1 BEGIN,1 -,1 step 1 1 1,1 -,1 SAVEPOINT a,1 -,1 step 1 1 2,1 -,1 ROLLBACK TO SAVEPOINT a,1 -,\
                1 RELEASE SAVEPOINT a,1 -,1 SAVEPOINT a,1 -,1 step 1 1 3,1 -,1 RELEASE SAVEPOINT a,1 -,1 step 1 1 4,1 !,1 COMMIT,1 -";
    assert_eq!(sound(text, Again::Known), [(1, 1, 1), (1, 1, 3)]);
}

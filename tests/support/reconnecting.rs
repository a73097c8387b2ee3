//! Reading that survives its connections: stories for any database, and for servers that are restarted, killed or cut off.
#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a story is a test, and fails as tests do"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use aludel::clock::{Clock, TestClock};
use aludel::prelude::*;
use aludel::{EngineBuilder, Error, Phase, Reconnecting};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::{self, ClosedConnection, SerializationFailure, Unknown};

use crate::EventLog;
use crate::account::accounts;
use crate::stage::{OutOfSugar, Stage, Staged};

pub mod servers;

/// A database that a reader reads.
pub trait Reading: Staged {
    /// What is sent before a SELECT, and after it.
    const AROUND: [&'static str; 2];

    /// What it says of a lock that is not to be had.
    const LOCKED: &'static str;

    /// What it says to somebody whom it does not let in.
    const REFUSED: &'static str;

    /// What is said where there is no server, or one that takes nobody at the moment.
    const UNREACHABLE: &'static [(DatabaseErrorKind, &'static str)];

    /// Who has an account, in one go.
    fn owners(reader: &Reconnecting<Self>) -> aludel::Result<Vec<String>>;

    /// The same as they come, one by one where the database can do that; `look` may be called for an error of a row.
    fn row_by_row(
        reader: &Reconnecting<Self>,
        look: &mut dyn FnMut(aludel::Result<String>) -> aludel::Result<()>,
    ) -> aludel::Result<()>;

    /// Reads into a type that panics.
    fn into_fragile(reader: &Reconnecting<Self>) -> aludel::Result<Vec<crate::stage::Fragile>>;

    /// Every verb, on queries of every kind.
    fn by_every_verb(reader: &Reconnecting<Self>) -> aludel::Result<()>;

    /// A SELECT with this text in the place of a number.
    fn select(reader: &Reconnecting<Self>, text: &str) -> aludel::Result<i64>;
}

macro_rules! reading {
    ($connection:ty, $mode:ty, $around:expr, $locked:literal, $refused:literal, $unreachable:expr) => {
        impl Reading for $connection {
            const AROUND: [&'static str; 2] = $around;
            const LOCKED: &'static str = $locked;
            const REFUSED: &'static str = $refused;
            const UNREACHABLE: &'static [(DatabaseErrorKind, &'static str)] = &$unreachable;

            fn owners(reader: &Reconnecting<Self>) -> aludel::Result<Vec<String>> {
                reader.load(accounts::table.order(accounts::id).select(accounts::owner))
            }

            fn row_by_row(
                reader: &Reconnecting<Self>,
                look: &mut dyn FnMut(aludel::Result<String>) -> aludel::Result<()>,
            ) -> aludel::Result<()> {
                let owners = accounts::table.order(accounts::id).select(accounts::owner);
                reader.load_iter::<String, $mode, _, _>(owners, |rows| {
                    for owner in rows {
                        look(owner)?;
                    }
                    Ok(())
                })
            }

            fn into_fragile(reader: &Reconnecting<Self>) -> aludel::Result<Vec<crate::stage::Fragile>> {
                reader.load(accounts::table.select(accounts::owner))
            }

            fn by_every_verb(reader: &Reconnecting<Self>) -> aludel::Result<()> {
                use crate::account::Account;
                use diesel::dsl::{exists, sum};

                let everybody = accounts::table.order(accounts::id);
                let all: Vec<Account> = reader.load(everybody.select(Account::as_select()))?;
                assert_eq!(all.len(), 2);
                assert_eq!(reader.get_results::<Account, _>(everybody)?, all);
                assert_eq!(reader.first::<Account, _>(everybody)?, all[0]);
                assert_eq!(reader.get_result::<Account, _>(accounts::table.find(2))?, all[1]);
                assert_eq!(
                    reader.first::<Account, _>(accounts::table.find(3)).optional()?,
                    None
                );
                let nobody = reader
                    .get_result::<Account, _>(accounts::table.find(3))
                    .unwrap_err();
                assert!(nobody.is_not_found(), "{nobody}");
                assert_eq!(reader.get_result::<i64, _>(accounts::table.count())?, 2);
                let rich = exists(accounts::table.filter(accounts::balance.gt(1_000)));
                assert!(!reader.get_result::<bool, _>(diesel::select(rich))?);

                let name = "Ann".to_owned();
                let mut boxed = accounts::table.select(accounts::balance).into_boxed();
                boxed = boxed.filter(accounts::owner.eq(&name));
                assert_eq!(reader.load::<i64, _>(boxed)?, [500]);
                let sums = accounts::table
                    .group_by(accounts::version)
                    .select((accounts::version, sum(accounts::id)));
                assert_eq!(reader.load::<(i32, Option<i64>), _>(sums)?, [(1, Some(3))]);
                let other = diesel::alias!(accounts as other);
                let pairs = accounts::table
                    .inner_join(other.on(other.field(accounts::balance).lt(accounts::balance)))
                    .select((accounts::owner, other.field(accounts::owner)));
                assert_eq!(
                    reader.load::<(String, String), _>(pairs)?,
                    [("Ann".to_owned(), "Bob".to_owned())]
                );
                let ann = accounts::table.find(1).select(accounts::id);
                let both = ann.union(accounts::table.find(2).select(accounts::id));
                let mut ids: Vec<i32> = reader.load(both)?;
                ids.sort_unstable();
                assert_eq!(ids, [1, 2]);
                Ok(())
            }

            fn select(reader: &Reconnecting<Self>, text: &str) -> aludel::Result<i64> {
                reader.get_result(diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
                    text,
                )))
            }
        }
    };
}

#[cfg(feature = "sqlite")]
reading!(
    SqliteConnection,
    diesel::connection::DefaultLoadingMode,
    ["PRAGMA query_only = 1", "PRAGMA query_only = 0"],
    "database is locked",
    "Unable to open the database file",
    [(ClosedConnection, "it hung up")]
);

#[cfg(feature = "mysql")]
reading!(
    MysqlConnection,
    diesel::connection::DefaultLoadingMode,
    [
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION /*M! tx_read_only */ /*!80000 transaction_read_only */ = DEFAULT"
    ],
    "Lock wait timeout exceeded; try restarting transaction",
    "Access denied for user 'app'@'localhost' (using password: YES)",
    [
        (Unknown, "Can't connect to server on '127.0.0.1' (111)"),
        (Unknown, "Too many connections"),
        (ClosedConnection, "it hung up"),
    ]
);

#[cfg(feature = "postgres")]
reading!(
    PgConnection,
    diesel::pg::PgRowByRowLoadingMode,
    [
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET SESSION default_transaction_read_only TO DEFAULT"
    ],
    "canceling statement due to lock timeout",
    r#"FATAL:  password authentication failed for user "app""#,
    [
        (Unknown, "FATAL:  the database system is starting up"),
        (Unknown, "FATAL:  sorry, too many clients already"),
        (ClosedConnection, "it hung up"),
    ]
);

/// The stories of this module as tests.
#[macro_export]
macro_rules! reconnecting_stories {
    ($connection:ty) => {
        $crate::tell!(
            $connection,
            $crate::reconnecting,
            [
                every_verb_reads_what_is_there,
                n_retries_are_n_plus_one_tries,
                a_disconnect_is_repeated_and_nobody_sees_it,
                what_is_no_disconnect_is_the_callers_at_once,
                a_server_that_cannot_be_connected_to_is_tried_again,
                rows_are_repeated_until_the_first_was_handed_out,
                only_the_mode_is_sent_around_a_select_and_the_next_borrower_can_write,
                a_panic_or_an_error_in_the_middle_of_rows_leaves_no_mode_behind,
                a_cancelled_token_ends_the_pause,
                a_reader_is_shared_between_threads_and_sees_what_is_committed,
            ]
        );
    };
}

/// A bank whose clock the story turns.
struct Read<C: Reading> {
    stage: Stage<C>,
    clock: TestClock,
    /// What was sent.
    sent: EventLog,
}

impl<C: Reading> Read<C> {
    fn open(name: &str) -> Self {
        Self::open_with(name, |builder| builder)
    }

    fn open_with(name: &str, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Self {
        let ((clock, turned), sent) = (Clock::test(), EventLog::new());
        let statements = sent.clone();
        let stage = Stage::open_with(name, |builder| {
            options(builder).clock(clock).listen_statements(move |event| {
                if let Event::BeforeStatement { sql, .. } = event {
                    statements.push(*sql);
                }
            })
        });
        Self {
            stage,
            clock: turned,
            sent,
        }
    }

    fn reader(&self) -> Reconnecting<C> {
        self.stage.engine.reconnecting()
    }

    /// What was sent that is neither the mode nor its end.
    fn selects(&self) -> Vec<String> {
        let sent = self.sent.take().into_iter();
        sent.filter(|sql| !C::AROUND.contains(&sql.as_str())).collect()
    }

    fn lose(&self, times: u32) {
        for number in 1..=times {
            let script = &self.stage.script;
            script.fail_before(Phase::Statement, ClosedConnection, format!("lost {number}"));
        }
    }

    /// Forgets what was not run into.
    fn behave(&self) {
        while self.stage.script.remaining() > 0 {
            for phase in [Phase::Statement, Phase::Connect, Phase::Fetch] {
                let _ = self.stage.script.before(phase);
            }
        }
    }
}

fn names(owners: &[&str]) -> Vec<String> {
    owners.iter().map(ToString::to_string).collect()
}

/// What Diesel's users know, and what only reads.
pub fn every_verb_reads_what_is_there<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("verbs");
    C::by_every_verb(&read.reader())?;
    read.stage.log.expect(&[]);
    read.stage.assert_whole();
    Ok(())
}

/// `SQLAlchemy`'s recipe tries once more than it should, on a cursor that is dead. Here the number is exact, the first error
/// comes out, and the last is told with it.
pub fn n_retries_are_n_plus_one_tries<C: Reading>() -> aludel::Result<()> {
    const PAUSE: Duration = Duration::from_secs(7);
    let read = Read::<C>::open("tries");
    for retries in [0, 1, 2, 5] {
        read.lose(10);
        let paused = read.clock.slept().len();
        let reader = read.reader().num_retries(retries).retry_interval(PAUSE);
        let error = C::owners(&reader).unwrap_err();
        let tries = retries + 1;
        assert_eq!(read.stage.script.remaining(), 10 - tries as usize);
        assert_eq!(read.selects().len(), tries as usize);
        assert_eq!(read.clock.slept()[paused..], vec![PAUSE; retries as usize]);
        assert!(error.is_disconnect(), "{error:?}");
        assert_eq!(
            (error.attempts(), error.first_cause()),
            (Some(tries), "lost 1".to_owned())
        );
        let last: Vec<_> = error.later().iter().map(Error::first_cause).collect();
        let text = error.to_string();
        if retries == 0 {
            assert!(last.is_empty());
            assert!(text.ends_with("; tried 1 time in 0.0ns, and given up"), "{text}");
        } else {
            assert_eq!(last, [format!("lost {tries}")]);
            let took = format!(
                "; tried {tries} times in {0}.0s ({0}.0s of it asleep), and given up",
                7 * retries
            );
            assert!(text.starts_with("lost 1") && text.ends_with(&took), "{text}");
        }
        let told: Vec<_> = (1..=retries)
            .map(|retry| format!("reconnecting, retry {retry}, after disconnect"))
            .collect();
        let log = read.stage.log.take();
        assert_eq!(log.iter().filter(|line| *line == "invalidate").count(), tries as usize);
        let heard: Vec<_> = log.iter().filter(|line| line.starts_with("reconnecting")).collect();
        assert_eq!(heard, told.iter().collect::<Vec<_>>());
        read.behave();
    }
    assert_eq!(C::owners(&read.reader())?, names(&["Ann", "Bob"]));
    read.stage.assert_whole();
    Ok(())
}

/// Two connections are lost in one statement, and its caller gets the rows.
pub fn a_disconnect_is_repeated_and_nobody_sees_it<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("repeated");
    read.lose(2);
    assert_eq!(C::owners(&read.reader())?, names(&["Ann", "Bob"]));
    assert_eq!(read.clock.slept(), [Duration::from_secs(2); 2]);
    let log = read.stage.log.take();
    let told: Vec<_> = log.iter().filter(|line| *line != "retire").collect();
    assert_eq!(
        told,
        [
            "invalidate",
            "reconnecting, retry 1, after disconnect",
            "invalidate",
            "reconnecting, retry 2, after disconnect",
        ]
    );
    read.stage.assert_whole();
    Ok(())
}

/// A conflict, a lock, a mistake: nothing of that is mended by another connection.
pub fn what_is_no_disconnect_is_the_callers_at_once<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("at_once");
    for (kind, text) in [
        (SerializationFailure, "conflict"),
        (Unknown, C::LOCKED),
        (Unknown, "no"),
    ] {
        read.stage.script.fail_before(Phase::Statement, kind, text);
        let error = C::owners(&read.reader()).unwrap_err();
        assert_eq!((error.attempts(), error.first_cause()), (Some(1), text.to_owned()));
    }
    let mistake = C::select(&read.reader(), "no_such_function(1)").unwrap_err();
    assert!(!mistake.is_retryable() && mistake.attempts() == Some(1), "{mistake}");
    // Nor is a name or a password that is wrong.
    read.stage.engine.dispose();
    read.stage.script.fail_before(Phase::Connect, Unknown, C::REFUSED);
    let error = C::owners(&read.reader()).unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (aludel::ErrorKind::Connect, Some(1)),
        "{error}"
    );
    assert_eq!((read.clock.slept().len(), read.stage.times("invalidate")), (0, 0));
    assert_eq!(C::owners(&read.reader())?, names(&["Ann", "Bob"]));
    read.stage.assert_whole();
    Ok(())
}

/// The server is down, coming up, or full: each of these is a try.
pub fn a_server_that_cannot_be_connected_to_is_tried_again<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("no_connection");
    let words = C::UNREACHABLE;
    read.stage.engine.dispose();
    for (kind, text) in words {
        read.stage.script.fail_before(Phase::Connect, *kind, *text);
    }
    assert_eq!(C::owners(&read.reader())?, names(&["Ann", "Bob"]));
    assert_eq!(read.clock.slept(), vec![Duration::from_secs(2); words.len()]);
    assert_eq!(read.selects().len(), 1, "the others had nobody to be sent to");
    // Where none comes up the first word is the one that is told.
    read.stage.engine.dispose();
    for (kind, text) in words {
        read.stage.script.fail_before(Phase::Connect, *kind, *text);
    }
    let tries = u32::try_from(words.len()).expect("a few");
    let error = C::owners(&read.reader().num_retries(tries - 1)).unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()),
        (aludel::ErrorKind::Connect, Some(tries)),
        "{error}"
    );
    assert!(error.first_cause().contains(words[0].1), "{error}");
    read.stage.assert_whole();
    Ok(())
}

/// What is handed out all at once starts again in the middle of its rows. What comes row by row does so before the first; after
/// it the error is one of the rows, and nothing is sent again.
pub fn rows_are_repeated_until_the_first_was_handed_out<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("rows");
    for row in [1, 2, 3] {
        read.stage.script.fail_at_row(row, ClosedConnection, "it hung up");
        assert_eq!(C::owners(&read.reader())?, names(&["Ann", "Bob"]), "row {row}");
    }
    assert_eq!((read.clock.slept().len(), read.selects().len()), (3, 6));
    read.stage.script.fail_at_row(1, ClosedConnection, "it hung up");
    let mut seen = Vec::new();
    C::row_by_row(&read.reader(), &mut |owner| {
        seen.push(owner?);
        Ok(())
    })?;
    assert_eq!(seen, names(&["Ann", "Bob"]));
    assert_eq!((read.clock.slept().len(), read.selects().len()), (4, 2));
    let closed = read.stage.engine.pool().closed();
    for (row, before) in [(2, vec!["Ann"]), (3, vec!["Ann", "Bob"])] {
        read.stage.script.fail_at_row(row, ClosedConnection, "it hung up");
        let mut seen = Vec::new();
        let error = C::row_by_row(&read.reader(), &mut |owner| {
            seen.push(owner?);
            Ok(())
        })
        .unwrap_err();
        assert!(error.is_disconnect(), "{error:?}");
        assert_eq!(
            (error.attempts(), error.first_cause()),
            (Some(1), "it hung up".to_owned())
        );
        assert!(
            error.to_string().ends_with("and given up: rows of it were handed out"),
            "{error}"
        );
        assert_eq!(seen, names(&before));
    }
    assert_eq!((read.clock.slept().len(), read.selects().len()), (4, 2));
    assert_eq!(read.stage.engine.pool().closed(), closed + 2);
    // Whoever swallows the error is believed.
    read.stage.script.fail_at_row(2, ClosedConnection, "it hung up");
    C::row_by_row(&read.reader(), &mut |_| Ok(()))?;
    assert_eq!(
        read.stage.engine.pool().closed(),
        closed + 3,
        "and the connection is closed all the same"
    );
    read.stage.assert_whole();
    Ok(())
}

/// Three statements, of which an engine that was built for reading saves two.
pub fn only_the_mode_is_sent_around_a_select_and_the_next_borrower_can_write<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("around");
    let [before, after] = C::AROUND;
    C::owners(&read.reader())?;
    let mut sent = read.sent.take();
    let select = sent.remove(1);
    assert!(select.starts_with("SELECT "), "{select}");
    assert_eq!(sent, [before, after]);
    // Also after a SELECT that was refused.
    assert!(C::select(&read.reader(), "no_such_function(1)").is_err());
    let sent = read.sent.take();
    assert_eq!((sent.len(), &*sent[0], &*sent[2]), (3, before, after), "{sent:?}");
    read.stage.engine.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    assert_eq!(read.stage.balances(), [400, 0]);
    assert_eq!(read.stage.engine.pool().opened(), 1, "it was the very connection");
    read.stage.assert_whole();

    let built = Read::<C>::open_with("built", |builder| builder.access_mode(AccessMode::ReadOnly));
    C::owners(&built.reader())?;
    built.sent.expect(&[&select]);
    Ok(())
}

/// A panic closes the connection; an error of the closure's own does not, and the mode is put back.
pub fn a_panic_or_an_error_in_the_middle_of_rows_leaves_no_mode_behind<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("left");
    let pool = read.stage.engine.pool();
    let payload = catch_unwind(AssertUnwindSafe(|| C::into_fragile(&read.reader()))).unwrap_err();
    assert!(payload.is::<OutOfSugar>());
    let payload = catch_unwind(AssertUnwindSafe(|| {
        C::row_by_row(&read.reader(), &mut |_| std::panic::panic_any(OutOfSugar))
    }));
    assert!(payload.unwrap_err().is::<OutOfSugar>());
    assert_eq!((pool.closed(), pool.checkedout()), (2, 0));
    let error = C::row_by_row(&read.reader(), &mut |_| Err(Error::other("enough"))).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    assert_eq!(pool.closed(), 2);
    let error = C::row_by_row(&read.reader(), &mut |_| {
        read.stage
            .script
            .fail_before(Phase::Statement, ClosedConnection, "it hung up");
        C::owners(&read.reader().num_retries(0)).map(drop)
    });
    let error = error.unwrap_err();
    assert!(
        error.to_string().ends_with(", and given up"),
        "the inner reader's report stays: {error}"
    );
    read.stage.engine.begin(|session| Ok(C::withdraw(session, 1, 100)?))?;
    assert_eq!(read.stage.balances(), [400, 0]);
    assert!(read.clock.slept().is_empty());
    read.stage.assert_whole();
    Ok(())
}

/// The engine's token, and the reader's own.
pub fn a_cancelled_token_ends_the_pause<C: Reading>() -> aludel::Result<()> {
    const REASON: &str = "shutting down";
    let read = Read::<C>::open("cancelled");
    let own = read.stage.engine.cancel_token().child_token();
    for token in [own.clone(), read.stage.engine.cancel_token()] {
        let cancelled = token.clone();
        let listening = read.stage.engine.listen(move |event| {
            if let Event::Reconnecting { retry: 2, .. } = event {
                cancelled.cancel(REASON);
            }
        });
        read.lose(5);
        let error = C::owners(&read.reader().cancel_token(token.clone())).unwrap_err();
        assert!(error.is_exit(), "{error:?}");
        assert_eq!(error.to_string(), format!("exit: {REASON}"));
        assert_eq!(read.selects().len(), 2);
        assert!(C::owners(&read.reader().cancel_token(token)).unwrap_err().is_exit());
        assert_eq!(read.selects().len(), 0, "nothing is sent any more");
        drop(listening);
        read.behave();
    }
    assert_eq!(
        read.clock.slept(),
        [Duration::from_secs(2); 2],
        "the second pause did not happen"
    );
    assert!(C::owners(&read.reader()).unwrap_err().is_exit());
    assert_eq!(
        C::owners(&read.reader().cancel_token(CancelToken::new()))?,
        names(&["Ann", "Bob"])
    );
    read.stage.assert_whole();
    Ok(())
}

/// A reader is `Sync`, as its engine is, and has a connection of its own in each call.
pub fn a_reader_is_shared_between_threads_and_sees_what_is_committed<C: Reading>() -> aludel::Result<()> {
    let read = Read::<C>::open("shared");
    let reader = read.reader();
    thread::scope(|threads| {
        let reading: Vec<_> = (0..4).map(|_| threads.spawn(|| C::owners(&reader))).collect();
        for thread in reading {
            assert_eq!(thread.join().expect("it only reads")?, names(&["Ann", "Bob"]));
        }
        Ok::<_, Error>(())
    })?;
    let balances = |reader| C::select(reader, "(SELECT balance FROM accounts WHERE id = 1)");
    read.stage.engine.begin(|session| {
        C::withdraw(session, 1, 100)?;
        assert_eq!(balances(&reader)?, 500);
        Ok(())
    })?;
    assert_eq!(balances(&reader)?, 400);
    read.stage.assert_whole();
    Ok(())
}

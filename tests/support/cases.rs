//! SQLAlchemy's test cases as stories, each told on every backend: [`transaction`], [`reset`], [`isolation`], [`session`],
//! [`factory`], [`external`], [`guests`], [`events`], [`objects`], [`reconnect`].
//!
//! A test binary has them as tests of its own with one line, e.g.
//! `aludel_tests::transaction_cases!(aludel_tests::cases::sqlite);`.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a story is a test, has the name of SQLAlchemy's, and fails as tests do"
)]

use std::fmt;

use aludel::prelude::*;
use aludel::testing::FaultScript;
use aludel::{EngineBuilder, Phase};
use diesel::connection::SimpleConnection;
use diesel::result::DatabaseErrorKind;

use crate::stories::outline;
use crate::{EventLog, sqlite as files};

pub mod events;
pub mod external;
pub mod factory;
pub mod guests;
pub mod isolation;
pub mod objects;
pub mod reconnect;
pub mod reset;
pub mod session;
pub mod transaction;

/// Where a story takes place: an empty table `accounts` (that of [`account`](crate::account)), an engine on it, and what is
/// heard of the two.
pub struct Stage<C: Dialect> {
    /// Its clock stands still.
    pub engine: Engine<C>,
    /// The engine's faults.
    pub script: FaultScript,
    /// The turns of the story.
    pub log: EventLog,
    /// Each statement that is sent, control statements included, and a `reset` of the pool's.
    pub sent: EventLog,
    /// Whoever waits for a lock gives up soon, where the server would wait for long.
    pub impatient: &'static str,
    rows: Box<dyn Fn() -> Vec<i32>>,
    kill: Option<Box<dyn Fn(i64)>>,
    _file: Option<files::TempDatabase>,
}

impl<C: Dialect> Stage<C> {
    fn new(url: &str, rows: impl Fn() -> Vec<i32> + 'static, file: Option<files::TempDatabase>) -> Self {
        let (script, log, sent) = (FaultScript::new(), EventLog::new(), EventLog::new());
        Self {
            engine: heard(Engine::builder(url), &script, &log, &sent)
                .build()
                .expect("the URL of a test is sound"),
            script,
            log,
            sent,
            impatient: "",
            rows: Box::new(rows),
            kill: None,
            _file: file,
        }
    }

    /// Another engine on the same database, with the same script and logs.
    pub fn engine_with(&self, options: impl FnOnce(EngineBuilder<C>) -> EngineBuilder<C>) -> Engine<C> {
        let builder = heard(
            Engine::builder(self.engine.url().clone()),
            &self.script,
            &self.log,
            &self.sent,
        );
        options(builder).build().expect("the options of a test are sound")
    }

    /// The keys that everybody else sees.
    pub fn rows(&self) -> Vec<i32> {
        (self.rows)()
    }

    /// The connection of the session is lost: the server closes it; on `SQLite`, which has none, the next statement says so.
    pub fn lose(&self, session: &mut Session<C>) -> aludel::Result<()> {
        match (&self.kill, session.backend_id()?) {
            (Some(kill), Some(id)) => kill(id),
            _ => self.fail(Phase::Statement, DatabaseErrorKind::ClosedConnection, "it hung up"),
        }
        Ok(())
    }

    /// The server closes a connection that is idle in the pool; a file has nobody who would.
    pub fn lose_idle(&self, engine: &Engine<C>) -> aludel::Result<()> {
        let mut raw = engine.pool().checkout()?; // clean, so that its return sends nothing
        if let (Some(kill), Some(id)) = (&self.kill, raw.backend_id()?) {
            kill(id);
        }
        Ok(())
    }

    /// Whether a lost connection speaks for all that are as old: a server's do, those to a file do not.
    pub fn is_served(&self) -> bool {
        self.kill.is_some()
    }

    /// What the log has of a connection that was lost.
    #[track_caller]
    pub fn expect_loss(&self, before: &[&str], after: &[&str]) {
        let loss: &[&str] = if self.is_served() {
            &["doomed", "retire", "invalidate"]
        } else {
            &["doomed", "invalidate"]
        };
        self.log.expect(&[before, loss, after].concat());
    }

    /// The next call of this phase fails with these words and is not sent.
    pub fn fail(&self, phase: Phase, kind: DatabaseErrorKind, text: &str) {
        self.script.fail_before(phase, kind, text);
    }

    /// The ROLLBACKs that were sent since the last look, by transactions and by the pool; those to a savepoint apart.
    pub fn rollbacks(&self) -> (usize, usize) {
        let sent = self.sent.take();
        let count = |is: fn(&str) -> bool| sent.iter().filter(|line| is(line)).count();
        (
            count(|line| line == "ROLLBACK" || line == "reset"),
            count(|line| line.starts_with("ROLLBACK TO")),
        )
    }

    /// Nothing is left behind: no connection is out, and the pool's books are right.
    #[track_caller]
    pub fn assert_whole(&self) {
        assert_eq!(self.engine.pool().checkedout(), 0);
        self.engine.pool().assert_invariants();
    }
}

impl<C: Dialect> fmt::Debug for Stage<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

fn heard<C: Dialect>(
    builder: EngineBuilder<C>,
    script: &FaultScript,
    log: &EventLog,
    sent: &EventLog,
) -> EngineBuilder<C> {
    let (statements, resets) = (sent.clone(), sent.clone());
    builder
        .clock(aludel::clock::Clock::test().0)
        .faults(script.clone())
        .listen(outline(log))
        .listen(move |event| {
            if let Event::Reset { .. } = event {
                resets.push("reset");
            }
        })
        .listen_statements(move |event| {
            if let Event::BeforeStatement { sql, .. } = event {
                statements.push(*sql);
            }
        })
}

/// Writes a row.
pub fn insert(connection: &mut impl SimpleConnection, id: i32) -> aludel::Result<()> {
    connection.batch_execute(&format!("INSERT INTO accounts VALUES ({id}, 'Nr {id}', 0, 1)"))?;
    Ok(())
}

/// Reads, and writes nothing.
pub fn look(connection: &mut impl SimpleConnection) -> aludel::Result<()> {
    connection.batch_execute("SELECT 1")?;
    Ok(())
}

/// A statement that every database refuses: the row is there already.
pub fn insert_again(connection: &mut impl SimpleConnection, id: i32) -> String {
    let refused = insert(connection, id).expect_err("there is one already");
    refused.to_string().to_lowercase()
}

macro_rules! rows_of {
    ($connection:ty, $url:expr) => {{
        use diesel::prelude::*;
        let url = $url.to_owned();
        move || {
            let mut outside = <$connection>::establish(&url).expect("the database is there");
            let ids = crate::account::accounts::table.select(crate::account::accounts::id);
            ids.order(crate::account::accounts::id)
                .load(&mut outside)
                .expect("the table is there")
        }
    }};
}

/// A stage in a file.
#[cfg(feature = "sqlite")]
pub fn sqlite(_name: &str) -> Stage<diesel::SqliteConnection> {
    let file = files::file();
    let rows = rows_of!(diesel::SqliteConnection, file.path().to_str().expect("it is UTF-8"));
    let url = file.url().to_owned();
    let stage = Stage::new(&url, rows, Some(file));
    with_table(stage, "INTEGER PRIMARY KEY", "")
}

/// A stage on the server that the tests share.
#[cfg(feature = "mysql")]
pub fn mariadb(name: &str) -> Stage<diesel::MysqlConnection> {
    let server = crate::mariadb::server();
    let database = server.database(name);
    let mut stage = Stage::new(database.url(), rows_of!(diesel::MysqlConnection, database.url()), None);
    stage.kill = Some(Box::new(|id| server.kill(id.try_into().expect("it is not negative"))));
    stage.impatient = "SET lock_wait_timeout = 10";
    with_table(stage, "INTEGER AUTO_INCREMENT PRIMARY KEY", " ENGINE=InnoDB")
}

/// A stage on the server that the tests share.
#[cfg(feature = "postgres")]
pub fn postgres(name: &str) -> Stage<diesel::PgConnection> {
    let server = crate::postgres::server();
    let database = server.database(name);
    let mut stage = Stage::new(database.url(), rows_of!(diesel::PgConnection, database.url()), None);
    stage.kill = Some(Box::new(|id| server.terminate(id.try_into().expect("it fits"))));
    stage.impatient = "SET lock_timeout = '10s'";
    with_table(stage, "SERIAL PRIMARY KEY", "")
}

fn with_table<C: Dialect>(stage: Stage<C>, key: &str, end: &str) -> Stage<C> {
    let sql = format!(
        "CREATE TABLE accounts (id {key}, owner VARCHAR(40) NOT NULL UNIQUE, balance BIGINT NOT NULL, \
         version INTEGER){end}"
    );
    let made = stage.engine.begin(|session| Ok(session.batch_execute(&sql)?));
    made.expect("an empty database takes a table");
    stage.engine.dispose();
    stage.log.clear();
    stage.sent.clear();
    stage
}

/// The stories of one module as tests, each on a stage of its own.
#[macro_export]
macro_rules! stories_as_tests {
    ($stage:path, $module:ident: $($story:ident)*) => {$(
        #[test]
        fn $story() -> aludel::Result<()> {
            $crate::cases::$module::$story(&$stage(stringify!($story)))
        }
    )*};
}

/// The stories about sessions as tests on the stages that a function makes.
#[macro_export]
macro_rules! session_cases {
    ($stage:path) => {
        $crate::stories_as_tests! { $stage, session:
            no_close_transaction_on_flush
            nested_accounting_deleted_items_restored
            transactions_isolated
            nested_transaction
            nested_transaction_connection_add
            mixed_transaction_close
            no_rollback_in_committed_state
            execution_options_begin_transaction
            warning_on_using_inactive_session_new
            warning_on_using_inactive_session_dirty
            no_autobegin_after_explicit_commit
            recipe_commit_one
            recipe_subtransaction_on_noautocommit
            recipe_error_on_using_inactive_session_commands
            recipe_deactive_status_check
            contextmanager_nested_rollback
            contextmanager_commit
            contextmanager_rollback
            explicit_begin
            no_double_begin_explicit
            session_as_ctx_manager_one
            session_as_ctx_manager_two
            begin_context_manager
            begin_context_manager_rollback_trans
            begin_context_manager_rollback_outer
            in_transaction
            in_transaction_subtransactions
        }
        $crate::stories_as_tests! { $stage, external:
            subtransaction_on_external_no_begin
            subtransaction_on_external_commit
            subtransaction_on_external_rollback
            external_nested_transaction
            join_transaction_mode_with_event
            join_transaction_modes
            join_transaction_modes_in_a_savepoint
            a_scope_is_told_that_a_session_has_rolled_it_back
            recipe_subtransaction_on_external_subtrans
            no_close_on_flush
            bound_connection
            something_with_context_managers
        }
        $crate::stories_as_tests! { $stage, guests:
            into_connection_keeps_what_is_open
            a_dropped_session_rolls_back_what_it_was_given
            a_lent_connection_comes_back
            a_lost_external_transaction_is_told_and_nothing_runs_again
            a_failed_statement_spoils_its_own_level
            a_savepoint_that_cannot_be_ended_costs_all
            a_verified_part_has_the_owners_commit_verified
            hooks_wait_for_the_owners_commit
            an_exit_is_everybodys
        }
        $crate::stories_as_tests! { $stage, events:
            standalone_on_commit_hook
            flush_noautocommit_hook
            rollback_hook
            connection_emits_after_begin
            each_level_is_told_of
            a_listener_that_panics_changes_nothing
            flush_in_commit_hook
            continue_flushing_on_commit
            a_hook_before_the_commit_can_prevent_it
            one_of_each_pair_of_hooks_runs
            hooks_and_reruns
            hooks_after_a_lost_answer
            a_hook_that_panics_changes_nothing
            hooks_in_autocommit
            a_hook_runs_outside_of_the_transaction
        }
        $crate::stories_as_tests! { $stage, factory:
            sessionmaker_begin_context_manager
            sessionmaker_begin_context_manager_rollback_trans
            sessionmaker_begin_context_manager_rollback_outer
            autobegin_execute
            autobegin_flush
            autobegin_begin_method
            no_expire_on_commit
            expire_all_keeps_what_is_pending
            info
            factory_execution_options
            close_resets_only
        }
        $crate::stories_as_tests! { $stage, objects:
            attrs_on_rollback
            commit_persistent
            concurrent_commit_persistent
            rollback_ignores_clean_on_savepoint_agg_upd
            expunge_pending_on_rollback
            trans_pending_cleared_on_commit
            update_deleted_on_rollback
            commit_pending
            concurrent_commit_pending
            savepoint_rollback
            savepoint_delete
            savepoint_expunge_pending_on_rollback
            savepoint_update_deleted_on_rollback
            savepoint_lost
            reloaded_deleted_checked_for_expiry
            multiple_key_replaced_by_update
        }
    };
}

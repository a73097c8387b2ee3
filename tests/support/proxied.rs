//! A server behind a [proxy](crate::proxy): what the proxy does to a client, as stories for any server.

use crate::TestDatabase;
use crate::proxy::{Fault, Proxy, Refusal, Trigger};
use aludel::Dialect;
use aludel::Session;
use diesel::connection::Connection;
use diesel::result::QueryResult;
use std::thread;

pub mod sessions;

/// A kind of server, and how to talk to it.
pub trait Server: Dialect + Connection + 'static {
    /// A new database on the server of this test binary, with the table of [`crate::account`]: Ann (1), Bob (2) and Cid
    /// (3), each with a balance of 100.
    fn database(name: &str) -> TestDatabase;

    /// A new proxy in front of that server.
    fn proxy() -> Proxy;

    /// A proxy and a database of their own.
    fn behind_a_proxy(name: &str) -> (Proxy, TestDatabase) {
        (Self::proxy(), Self::database(name))
    }

    /// A connection that goes to the server directly, to a database whose balances are 100 again: a database costs more
    /// than all else in most stories, so their cases share one.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    fn restored(database: &TestDatabase) -> Self {
        let mut outside = Self::establish(database.url()).expect("the server runs");
        outside
            .batch_execute("UPDATE accounts SET balance = 100")
            .expect("what had locked it is gone, or soon will be");
        outside
    }

    /// What the client library says of a connection that is gone, or a part of it that is in all its words for that.
    const LOST: &str;

    /// An error in this server's words.
    fn refusal(message: &str) -> Refusal;

    /// What this server says where it has rolled a transaction back that may be run again.
    fn conflict() -> Refusal;

    /// Puts an amount into Ann's account.
    ///
    /// # Errors
    ///
    /// Whatever the session answers.
    fn pay(session: &mut Session<Self>, amount: i64) -> QueryResult<usize>;

    /// Who has an account, through a session.
    ///
    /// # Errors
    ///
    /// Whatever the session answers.
    fn list(session: &mut Session<Self>) -> QueryResult<Vec<String>>;

    /// [`list`](Self::list), row by row, with the connection lent meanwhile.
    ///
    /// # Errors
    ///
    /// Whatever the session answers.
    fn list_one_by_one(session: &mut Session<Self>) -> QueryResult<Vec<String>>;

    /// Who has an account, in the order of their numbers.
    ///
    /// # Errors
    ///
    /// Whatever the driver answers.
    fn owners(&mut self) -> QueryResult<Vec<String>>;

    /// Ann's balance.
    ///
    /// # Errors
    ///
    /// Whatever the driver answers.
    fn balance(&mut self) -> QueryResult<i64>;
}

/// What clients have said on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    round_trips: u64,
    log: Vec<String>,
}

/// What clients say while `what` is done, which is all that goes through the proxy meanwhile.
pub fn conversation(proxy: &Proxy, what: impl FnOnce()) -> Said {
    proxy.take_log();
    proxy.reset_round_trips();
    what();
    let without_number = |line: &String| line.split_once(' ').map_or("", |(_, what)| what).to_owned();
    Said {
        round_trips: proxy.round_trips(),
        log: proxy.take_log().iter().map(without_number).collect(),
    }
}

impl Said {
    /// Exactly these words, in exactly so many round trips.
    ///
    /// # Panics
    ///
    /// If it was something else.
    #[track_caller]
    pub fn expect<const N: usize>(self, round_trips: u64, log: [&str; N]) {
        assert_eq!(self.log, log);
        assert_eq!(self.round_trips, round_trips, "{log:?}");
    }
}

/// A server, and a plain connection of Diesel's to it, through a proxy.
struct Plain<C: Server> {
    proxy: Proxy,
    connection: C,
    outside: C,
}

impl<C: Server> Plain<C> {
    fn new(database: &TestDatabase) -> Self {
        let outside = C::restored(database);
        let proxy = C::proxy();
        let connection = C::establish(&proxy.url(database.url())).expect("the proxy lets it through");
        proxy.take_statements(); // Diesel's own, for a new connection
        Self {
            proxy,
            connection,
            outside,
        }
    }

    /// What others see.
    fn balance(&mut self) -> i64 {
        self.outside.balance().expect("the table is there")
    }
}

/// One of everything; where it stopped.
fn program<C: Server>(connection: &mut C) -> Result<(), (usize, String)> {
    for (number, sql) in PROGRAM.iter().enumerate() {
        let done = connection.batch_execute(sql);
        done.map_err(|error| (number, error.to_string()))?;
    }
    Ok(())
}

const PROGRAM: [&str; 9] = [
    "BEGIN",
    "UPDATE accounts SET balance = balance + 1 WHERE id = 1",
    "SAVEPOINT a",
    "UPDATE accounts SET balance = balance + 10 WHERE id = 1",
    "RELEASE SAVEPOINT a",
    "SAVEPOINT b",
    "UPDATE accounts SET balance = balance + 100 WHERE id = 1",
    "ROLLBACK TO SAVEPOINT b",
    "COMMIT",
];

/// Where each trigger meets the program.
const TRIGGERS: [(Trigger, usize); 7] = [
    (Trigger::Begin, 0),
    (Trigger::Statement, 1),
    (Trigger::Savepoint, 2),
    (Trigger::Containing("+ 10 "), 3),
    (Trigger::Release, 4),
    (Trigger::RollbackTo, 7),
    (Trigger::Commit, 8),
];

/// Cuts and resets end the connection at the statement that was meant, and what the server has seen of it is what the
/// fault says.
///
/// # Panics
///
/// If it is not so.
pub fn cuts_strike_the_statement_they_are_meant_for<C: Server>() {
    let database = C::database("cuts");
    for (trigger, place) in TRIGGERS {
        for fault in [Fault::CutBefore, Fault::CutAfter, Fault::ResetBefore, Fault::ResetAfter] {
            let mut plain = Plain::<C>::new(&database);
            plain.proxy.when(trigger).then(fault.clone());
            let (number, text) = program(&mut plain.connection).expect_err("it is cut off");
            assert_eq!(number, place, "{trigger:?} {fault:?}: {text}");
            assert_eq!(plain.proxy.fired(), 1);
            assert!(plain.connection.batch_execute("SELECT 1").is_err(), "it stays cut off");
            let sent: Vec<_> = PROGRAM[..=place].iter().map(ToString::to_string).collect();
            assert_eq!(plain.proxy.take_statements(), sent, "{trigger:?} {fault:?}");
            let committed = trigger == Trigger::Commit && matches!(fault, Fault::CutAfter | Fault::ResetAfter);
            assert_eq!(
                plain.balance(),
                if committed { 111 } else { 100 },
                "{trigger:?} {fault:?}"
            );
        }
    }
}

/// What is held goes on with the release, what is swallowed is cut by it; until then nobody hears anything.
///
/// # Panics
///
/// If it is not so.
pub fn what_is_held_waits_for_the_release<C: Server>() {
    let database = C::database("held");
    for (fault, seen, goes_on) in [
        (Fault::Hold, 100, true),
        (Fault::HoldAnswer, 111, true),
        (Fault::SwallowBefore, 100, false),
        (Fault::Swallow, 111, false),
    ] {
        let mut plain = Plain::<C>::new(&database);
        plain.proxy.when(Trigger::Commit).then(fault.clone());
        let client = &mut plain.connection;
        let (proxy, outside) = (&plain.proxy, &mut plain.outside);
        thread::scope(|threads| {
            let client = threads.spawn(|| program(client));
            proxy.wait_until_fired(1);
            assert_eq!(outside.balance().expect("the table is there"), seen, "{fault:?}");
            assert!(!client.is_finished(), "{fault:?}: it waits for its answer");
            proxy.release();
            let outcome = client.join().expect("nothing panics there");
            assert_eq!(outcome.is_ok(), goes_on, "{fault:?}: {outcome:?}");
        });
        let committed = !matches!(fault, Fault::SwallowBefore);
        assert_eq!(plain.balance(), if committed { 111 } else { 100 }, "{fault:?}");
    }
}

/// The proxy answers by itself, and the conversation goes on after that.
///
/// # Panics
///
/// If it is not so.
pub fn the_proxy_can_answer_in_the_servers_words<C: Server>() {
    let database = C::database("answers");
    for (after, seen) in [(false, 100), (true, 111)] {
        let mut plain = Plain::<C>::new(&database);
        let refusal = C::refusal("the moon is in the wrong phase");
        let fault = if after {
            Fault::AnswerAfter(refusal)
        } else {
            Fault::Answer(refusal)
        };
        plain.proxy.when(Trigger::Commit).then(fault);
        let (number, text) = program(&mut plain.connection).expect_err("it is refused");
        assert_eq!((number, text.as_str()), (8, "the moon is in the wrong phase"));
        assert_eq!(plain.balance(), seen);
        plain
            .connection
            .batch_execute("ROLLBACK")
            .expect("the connection is as good as before");
        assert_eq!(plain.connection.balance().expect("as good as before"), seen);
        assert_eq!(plain.proxy.fired(), 1);
    }
}

/// Rows are counted, and those before the fault have come.
///
/// # Panics
///
/// If it is not so.
pub fn a_result_can_end_at_any_row<C: Server>() {
    let database = C::database("rows");
    for row in 1..=3 {
        let mut plain = Plain::<C>::new(&database);
        plain
            .proxy
            .when(Trigger::Row(row))
            .within("owner")
            .then(Fault::CutAfter);
        plain.connection.owners().expect_err("it is cut off");
        assert!(plain.connection.balance().is_err(), "it stays cut off");

        let mut plain = Plain::<C>::new(&database);
        let refusal = C::refusal("the third row is a lie");
        let rule = plain.proxy.when(Trigger::Row(row)).within("owner");
        rule.then(Fault::Answer(refusal));
        let error = plain.connection.owners().expect_err("it is refused");
        assert_eq!(error.to_string(), "the third row is a lie");
        let balance = plain.connection.balance().expect("the conversation goes on");
        assert_eq!(balance, 100);
        assert_eq!(plain.proxy.fired(), 1);
    }
    let mut plain = Plain::<C>::new(&database);
    plain.proxy.when(Trigger::Row(4)).then(Fault::CutAfter);
    plain.connection.owners().expect("there is no fourth row");
    assert_eq!(plain.proxy.fired(), 0);
}

/// A client that gets nowhere, or late.
///
/// # Panics
///
/// If it is not so.
pub fn connecting_can_fail_in_every_way<C: Server>() {
    let (proxy, database) = C::behind_a_proxy("connects");
    let url = proxy.url(database.url());
    let fails = |fault: Fault| {
        proxy.when(Trigger::Connect).then(fault);
        C::establish(&url).err().expect("it gets nowhere").to_string()
    };
    for fault in [Fault::CutBefore, Fault::ResetBefore] {
        fails(fault);
    }
    let text = fails(Fault::Answer(C::refusal("the house is full")));
    assert!(text.contains("the house is full"), "{text}");
    assert_eq!((proxy.fired(), proxy.connections()), (3, 3));
    proxy.when(Trigger::Connect).then(Fault::Hold);
    thread::scope(|threads| {
        let client = threads.spawn(|| C::establish(&url).is_ok());
        proxy.wait_until_fired(4);
        assert!(!client.is_finished());
        proxy.release();
        assert!(client.join().expect("nothing panics there"), "late, but it is let in");
    });
    proxy.refuse(true);
    assert!(C::establish(&url).is_err(), "nobody listens");
    proxy.refuse(false);
    let mut connection = C::establish(&url).expect("somebody listens again");
    proxy.cut_all();
    assert!(connection.balance().is_err());
    assert!(C::establish(&url).expect("it is a new one").balance().is_ok());
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod servers {
    use super::{Proxy, Refusal, Server, Session, TestDatabase};
    use crate::account::accounts;
    #[cfg(feature = "mysql")]
    use diesel::connection::DefaultLoadingMode;
    use diesel::prelude::*;

    macro_rules! server {
        ($connection:ty, $server:path, $proxy:path, $key:literal, $mode:ty, $lost:literal, $refusal:expr, $conflict:expr) => {
            impl Server for $connection {
                fn database(name: &str) -> TestDatabase {
                    let database = $server().database(name);
                    let schema = format!(
                        "CREATE TABLE accounts (id {}, owner VARCHAR(40) NOT NULL, balance BIGINT NOT NULL, \
                         version INTEGER NOT NULL DEFAULT 1); \
                         INSERT INTO accounts (owner, balance) VALUES ('Ann', 100), ('Bob', 100), ('Cid', 100)",
                        $key
                    );
                    Self::establish(database.url())
                        .and_then(|mut outside| {
                            diesel::connection::SimpleConnection::batch_execute(&mut outside, &schema)
                                .map_err(ConnectionError::CouldntSetupConfiguration)
                        })
                        .expect("the database is empty");
                    database
                }

                fn proxy() -> Proxy {
                    $proxy($server().port())
                }

                const LOST: &str = $lost;

                fn refusal(message: &str) -> Refusal {
                    $refusal(message)
                }

                fn conflict() -> Refusal {
                    $conflict
                }

                fn pay(session: &mut Session<Self>, amount: i64) -> QueryResult<usize> {
                    diesel::update(accounts::table.find(1))
                        .set(accounts::balance.eq(accounts::balance + amount))
                        .execute(session)
                }

                fn list(session: &mut Session<Self>) -> QueryResult<Vec<String>> {
                    accounts::table.select(accounts::owner).order(accounts::id).load(session)
                }

                fn list_one_by_one(session: &mut Session<Self>) -> QueryResult<Vec<String>> {
                    let owners = accounts::table.select(accounts::owner).order(accounts::id);
                    owners.load_iter::<String, $mode>(session)?.collect()
                }

                fn owners(&mut self) -> QueryResult<Vec<String>> {
                    accounts::table.select(accounts::owner).order(accounts::id).load(self)
                }

                fn balance(&mut self) -> QueryResult<i64> {
                    accounts::table.select(accounts::balance).find(1).get_result(self)
                }
            }
        };
    }

    #[cfg(feature = "mysql")]
    server!(
        diesel::MysqlConnection,
        crate::mariadb::server,
        Proxy::mysql,
        "INTEGER AUTO_INCREMENT PRIMARY KEY",
        DefaultLoadingMode,
        "Lost connection to server",
        |message| Refusal::mysql(1105, "HY000", message),
        Refusal::mysql(
            1213,
            "40001",
            "Deadlock found when trying to get lock; try restarting transaction"
        )
    );

    #[cfg(feature = "postgres")]
    server!(
        diesel::PgConnection,
        crate::postgres::server,
        Proxy::postgres,
        "SERIAL PRIMARY KEY",
        diesel::pg::PgRowByRowLoadingMode,
        "server closed the connection unexpectedly",
        |message| Refusal::postgres("XX000", message),
        Refusal::postgres("40001", "could not serialize access due to concurrent update")
    );
}

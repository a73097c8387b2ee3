//! Servers of its own: those of the tests, which end with this program, whatever ends it.

use aludel::Error;

use crate::Options;
use crate::ping::Seen;

/// Pings a server that is restarted meanwhile.
pub(crate) fn restarted(options: &Options) -> aludel::Result<Seen> {
    match options.server {
        #[cfg(feature = "mysql")]
        None | Some(crate::Server::Mariadb) => {
            let server = aludel_tests::mariadb::private();
            let database = server.database("pinged");
            restarting::<diesel::MysqlConnection>(database.url(), options, || server.kill_9(), || server.start())
        }
        #[cfg(feature = "postgres")]
        #[cfg_attr(
            feature = "mysql",
            allow(unreachable_patterns, reason = "None is MariaDB where there is one")
        )]
        None | Some(crate::Server::Postgres) => {
            let server = aludel_tests::postgres::private();
            let database = server.database("pinged");
            restarting::<diesel::PgConnection>(database.url(), options, || server.kill_9(), || server.start())
        }
        #[cfg_attr(
            all(feature = "mysql", feature = "postgres"),
            allow(unreachable_patterns, reason = "each server is there")
        )]
        _ => Err(Error::configuration(
            "a server of our own needs the feature `mysql` or `postgres`, without which this program was compiled; give it the \
             URL of a database, or try: cargo run --example reconnecting --features mysql",
        )),
    }
}

#[cfg(any(feature = "mysql", feature = "postgres"))]
fn restarting<C: crate::ping::Pinged>(
    url: &str,
    options: &Options,
    kill: impl FnOnce() + Send,
    start: impl FnOnce() + Send,
) -> aludel::Result<Seen> {
    crate::ping::pings::<C>(url, options, |screen| {
        kill();
        screen.say("  the server is down");
        std::thread::sleep(options.down);
        start();
        screen.say("  the server is up");
    })
}

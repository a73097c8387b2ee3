//! Databases for the sides, each one of its own: what one has written is in no other's cache.

use aludel::Dialect;
use aludel_tests::mariadb::MariaDb;
use aludel_tests::proxy::Proxy;
use aludel_tests::sqlite::{self, TempDatabase};
use diesel::connection::SimpleConnection;

use crate::entry;

/// Where databases are made.
pub(crate) trait Place {
    fn name(&self) -> &'static str;

    /// A new database with an empty table.
    fn empty(&self) -> Database;
}

/// Files in temporary folders.
pub(crate) struct OnSqlite;

/// Databases on the server of this benchmark.
pub(crate) struct OnMariaDb(pub(crate) &'static MariaDb);

/// A database; its file goes when this is dropped.
pub(crate) struct Database {
    /// What an engine connects to.
    pub(crate) url: String,
    /// What Diesel connects to.
    bare: String,
    /// What SQLAlchemy connects to, by each of its drivers.
    pub(crate) sqlalchemy: Vec<String>,
    /// Sent first on each connection of Diesel's; the same as in the URL, and as in `unit_of_work.py`.
    pragmas: &'static str,
    _file: Option<TempDatabase>,
}

impl Place for OnSqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn empty(&self) -> Database {
        let file = sqlite::file();
        let path = file.path().to_str().expect("its URL is text").to_owned();
        let database = Database {
            url: format!("{}?journal_mode=wal&synchronous=normal", file.url()),
            sqlalchemy: vec![format!("sqlite:///{path}")],
            bare: path,
            pragmas: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
            _file: Some(file),
        };
        database.create::<diesel::SqliteConnection>(entry::ON_SQLITE);
        database
    }
}

impl Place for OnMariaDb {
    fn name(&self) -> &'static str {
        "mariadb"
    }

    fn empty(&self) -> Database {
        let url = self.0.database("models").url().to_owned();
        let rest = url.strip_prefix("mysql://").expect("so our support writes it");
        let database = Database {
            // The one that is compiled nowhere and everywhere, and the one that sends many rows at once.
            sqlalchemy: vec![
                format!("mysql+pymysql://{rest}"),
                format!("mariadb+mariadbconnector://{rest}"),
            ],
            bare: url.clone(),
            url,
            pragmas: "",
            _file: None,
        };
        database.create::<diesel::MysqlConnection>(entry::ON_MARIADB);
        database
    }
}

impl Database {
    /// A bare connection of Diesel's.
    pub(crate) fn connect<C: Dialect + SimpleConnection>(&self) -> C {
        let mut connection = C::establish(&self.bare).expect("the database is there");
        if !self.pragmas.is_empty() {
            connection.batch_execute(self.pragmas).expect("SQLite has them");
        }
        connection
    }

    /// One that goes through a proxy.
    pub(crate) fn connect_through<C: Dialect>(&self, proxy: &Proxy) -> C {
        C::establish(&proxy.url(&self.bare)).expect("the database is there")
    }

    fn create<C: Dialect + SimpleConnection>(&self, table: &str) {
        self.connect::<C>().batch_execute(table).expect("the database is empty");
    }
}

// A type of the program's own, for a column that is a number.

use std::time::SystemTime;

use aludel::prelude::*;
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::prelude::*;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::BigInt;
use diesel::sqlite::Sqlite;

diesel::table! { notes (id) { id -> Integer, made -> BigInt, } }

/// Seconds since 1970.
#[derive(AsExpression, FromSqlRow, Clone, Debug, Default, PartialEq)]
#[diesel(sql_type = BigInt)]
struct Seconds(i64);

impl aludel::Timestamp for Seconds {
    fn from_time(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or_default())
    }
}

impl ToSql<BigInt, Sqlite> for Seconds {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> diesel::serialize::Result {
        <i64 as ToSql<BigInt, Sqlite>>::to_sql(&self.0, out)
    }
}

impl diesel::deserialize::FromSql<BigInt, Sqlite> for Seconds {
    fn from_sql(bytes: <Sqlite as diesel::backend::Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        <i64 as diesel::deserialize::FromSql<BigInt, Sqlite>>::from_sql(bytes).map(Self)
    }
}

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes, check_for_backend(Sqlite))]
struct Note {
    id: i32,
    #[model(created_at)]
    made: Seconds,
}

fn main() -> aludel::Result<()> {
    let engine = Engine::<SqliteConnection>::new("sqlite://:memory:")?;
    let mut session = engine.session();
    diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY, made BIGINT)").execute(&mut session)?;
    let note = session.add(Note {
        id: 0,
        made: Seconds::default(),
    });
    session.flush()?;
    assert_eq!(session[note].id, 1);
    assert!(session[note].made.0 > 0);
    session.rollback()
}

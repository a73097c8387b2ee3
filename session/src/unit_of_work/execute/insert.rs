//! INSERT of new objects.
//!
//! No database promises the order in which RETURNING gives rows back. Rows whose key the client knows need none. For the
//! others the order is proved: the rows were given keys one after the other, and so those that come back must ascend.
//! MariaDB and MySQL, whose RETURNING Diesel cannot read, give the rows of a statement numbers without gaps, and so there must be as
//! many rows from the first one on. Where that is not so, the batch is undone, and its rows are inserted one by one.

use aludel_core::{Dialect, Error, ErrorKind, Flavour, Result};
use diesel::RunQueryDsl as _;

use super::{Writer, fetch, wrong_count};
use crate::model::{Columns, Model, Persist, Role, Stamp, Store};
use crate::sql::{Insert, Table};

/// Fewer rows than this are inserted one by one: a batch has a savepoint around it, which costs two round trips.
const WORTH_A_BATCH: usize = 4;

/// Inserts objects that depend on nothing that is not there.
pub(in crate::unit_of_work) fn insert<C, M>(
    store: &mut Store<M>,
    rows: &[u32],
    writer: &mut Writer<'_, C>,
) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    for &row in rows {
        let value = store.row_mut(row);
        value.make_key();
        value.stamp(Stamp::Created, writer.now);
        value.advance_version(None);
    }
    let all = written_by_anyone::<M>();
    let written: Vec<Columns> = rows.iter().map(|&row| written(all, store.row(row))).collect();
    let mut done = 0;
    for alike in written.chunk_by(|one, next| one == next) {
        let run = &rows[done..done + alike.len()];
        insert_alike(store, run, alike[0], writer)?;
        done += alike.len();
    }
    fetch::after_insert(store, rows, writer)
}

/// The columns that any INSERT may write.
fn written_by_anyone<M: Model>() -> Columns {
    let shape = M::shape();
    let left_out = shape.with_role(Role::ReadOnly).and(shape.version_of_server());
    Columns::first(shape.columns.len()).without(left_out)
}

/// Those that the INSERT of this object writes.
fn written<M: Model>(all: Columns, value: &M) -> Columns {
    let shape = M::shape();
    let mut left_out = value.unset();
    if shape.generated && value.key().is_none() {
        left_out = left_out.and(shape.key());
    }
    all.without(left_out)
}

fn insert_alike<C, M>(store: &mut Store<M>, rows: &[u32], columns: Columns, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let shape = M::shape();
    if !shape.generated || columns.has(0) {
        // Rows without a value are a statement each: DEFAULT VALUES has no plural.
        let page = if columns.is_empty() {
            1
        } else {
            writer.page(columns.len())
        };
        for page in rows.chunks(page) {
            insert_known(store, page, columns, writer)?;
        }
        return Ok(());
    }
    let returning = writer.uses_returning();
    let learns = returning || C::FLAVOUR == Flavour::MySql;
    let batch = learns && rows.len() >= WORTH_A_BATCH && !columns.is_empty() && may_batch::<C, M>(writer)?;
    if !(batch && insert_batch(store, rows, columns, writer)?) {
        if !returning {
            writer.ask(C::forget_last_insert_id)?;
        }
        for &row in rows {
            insert_one(store, row, columns, returning, writer)?;
        }
    }
    Ok(())
}

/// Rows whose key is known.
fn insert_known<C, M>(store: &mut Store<M>, rows: &[u32], columns: Columns, writer: &mut Writer<'_, C>) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let values: Vec<&M> = rows.iter().map(|&row| store.row(row)).collect();
    let insert = statement::<C, M>(&values, columns, false, writer);
    let count = insert.execute(writer.connection)?;
    if count != rows.len() {
        return Err(wrong_count::<M>("INSERT", rows.len(), count));
    }
    for &row in rows {
        store.inserted(row);
    }
    Ok(())
}

/// One row, whose key the database makes.
fn insert_one<C, M>(
    store: &mut Store<M>,
    row: u32,
    columns: Columns,
    returning: bool,
    writer: &mut Writer<'_, C>,
) -> Result<()>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let values = [store.row(row)];
    let insert = statement::<C, M>(&values, columns, returning, writer);
    let key = if returning {
        let keys = M::insert_returning(writer.connection, insert)?;
        let count = keys.len();
        keys.into_iter()
            .next()
            .ok_or_else(|| wrong_count::<M>("INSERT", 1, count))?
    } else {
        let count = insert.execute(writer.connection)?;
        if count != 1 {
            return Err(wrong_count::<M>("INSERT", 1, count));
        }
        made_last::<C, M>(writer)?
    };
    store.row_mut(row).set_key(key);
    store.inserted(row);
    Ok(())
}

/// The key of the row that was inserted last.
fn made_last<C: Dialect, M: Persist<C::Backend>>(writer: &mut Writer<'_, C>) -> Result<M::Key> {
    let id = writer.ask(C::last_insert_id)?;
    if id == 0 && C::FLAVOUR == Flavour::MySql {
        return Err(Error::object(
            ErrorKind::Misuse,
            format!(
                "the database has made no key for a row of {}: its column has no AUTO_INCREMENT, or a trigger sets the key, which then \
                 nobody can learn; let the client make it, `#[model(default = path)]` or `#[model(assigned)]`",
                M::NAME
            ),
        ));
    }
    M::key_from_id(id).ok_or_else(|| {
        let text = format!(
            "the database has made the key {id} for {}, which is not of the type of its field; a key that is no integer is \
             learned by INSERT .. RETURNING only, which this database does not have, or `implicit_returning(false)` has \
             switched off",
            M::NAME
        );
        Error::object(ErrorKind::Misuse, text)
    })
}

/// Whether the keys of several rows can be told apart at all. (On SQLite a trigger may insert rows of its own in between.)
fn may_batch<C, M>(writer: &mut Writer<'_, C>) -> Result<bool>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    if M::key_from_id(1).is_none() {
        return Ok(false);
    }
    let table = table_name::<C, M>()?;
    Ok(!writer.ask(|raw| raw.has_triggers(&table))?)
}

/// Its name without its schema and without quotes.
fn table_name<C: Dialect, M: Persist<C::Backend>>() -> Result<String> {
    let quoted = C::sql(&Table::<M>::new())?;
    let last = quoted.rsplit('.').next().unwrap_or_default();
    Ok(last.trim_matches(['"', '`']).to_owned())
}

/// Many rows whose keys the database makes; false where nobody can tell which is whose, and nothing is written.
fn insert_batch<C, M>(store: &mut Store<M>, rows: &[u32], columns: Columns, writer: &mut Writer<'_, C>) -> Result<bool>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    writer.connection.set_savepoint()?;
    let keys = match learn(store, rows, columns, writer) {
        Ok(Some(keys)) => keys,
        not_told => {
            // The first error stays the error; one of ROLLBACK TO dooms the transaction by itself.
            let later = writer.connection.rollback_to_savepoint();
            return match (not_told, later) {
                (Err(error), _) | (Ok(_), Some(error)) => Err(error),
                (Ok(_), None) => Ok(false),
            };
        }
    };
    writer.connection.release_savepoint()?;
    for (&row, key) in rows.iter().zip(keys) {
        store.row_mut(row).set_key(key);
        store.inserted(row);
    }
    Ok(true)
}

/// The keys of all rows, in their order; none where the order is not proved.
fn learn<C, M>(
    store: &Store<M>,
    rows: &[u32],
    columns: Columns,
    writer: &mut Writer<'_, C>,
) -> Result<Option<Vec<M::Key>>>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let mut all: Vec<M::Key> = Vec::with_capacity(rows.len());
    if C::FLAVOUR == Flavour::MySql {
        writer.ask(C::forget_last_insert_id)?;
    }
    for page in rows.chunks(writer.page(columns.len())) {
        let values: Vec<&M> = page.iter().map(|&row| store.row(row)).collect();
        let keys = match C::FLAVOUR {
            Flavour::MySql => count(&values, columns, writer)?,
            _ => M::insert_returning(writer.connection, statement::<C, M>(&values, columns, true, writer))?,
        };
        // Those of an earlier page would be told again where this one was given none.
        let ascends = keys.is_sorted() && all.last() < keys.first();
        if keys.len() != page.len() || !ascends {
            return Ok(None);
        }
        all.extend(keys);
    }
    Ok(Some(all))
}

/// Inserts, and counts from the first key on; none where the rows are not found there.
fn count<C, M>(values: &[&M], columns: Columns, writer: &mut Writer<'_, C>) -> Result<Vec<M::Key>>
where
    C: Dialect,
    M: Persist<C::Backend>,
{
    let count = statement::<C, M>(values, columns, false, writer).execute(writer.connection)?;
    if count != values.len() {
        return Err(wrong_count::<M>("INSERT", values.len(), count));
    }
    let table = C::sql(&Table::<M>::new())?;
    let key = M::shape().columns[0].name;
    let ids = writer.ask(|raw| raw.inserted_ids(&table, key, count))?;
    let Some((mut id, step)) = ids else {
        return Ok(Vec::new());
    };
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.extend(M::key_from_id(id));
        id += step;
    }
    Ok(keys)
}

fn statement<'a, C: Dialect, M>(
    rows: &'a [&'a M],
    columns: Columns,
    returning: bool,
    writer: &Writer<'_, C>,
) -> Insert<'a, M> {
    Insert {
        flavour: C::FLAVOUR,
        rows,
        columns,
        returning,
        cached: rows.len() == 1 || rows.len() == writer.page(columns.len()),
    }
}

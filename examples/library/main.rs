//! A library: authors, books and loans as objects of a session. What each line saves is in `README.md` beside this file.
//!
//! ```text
//! cargo run --example library
//! cargo run --example library -- --quiet
//! cargo run --example library -- --file library.db
//! ```
//!
//! Lines with `│` in front are what was sent to the database. Nothing is random, and it needs nothing but the toolchain.
//!
//! | File | What happens there |
//! |---|---|
//! | `models` | the tables, and a struct for each |
//! | `desk` | **the service**: what a librarian can do |
//! | `told` | how it is told |

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aludel::prelude::*;
use aludel_examples::table;
use clap::Parser;
use diesel::prelude::*;

mod desk;
mod models;
mod told;

use models::{Author, Book, Loan, authors, books};
use told::Told;

/// The one place where a database is named.
type Db = Session<SqliteConnection>;

/// A library: parents and children, a version conflict, a savepoint, and what the session holds.
#[derive(Parser)]
#[command(name = "library")]
struct Options {
    /// Leave out what is sent to the database
    #[arg(long)]
    quiet: bool,
    /// A new file for the library, which is kept; without it there is one in a temporary folder
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn main() -> ExitCode {
    match open(&Options::parse(), Told::aloud()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("library: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One day at the desk.
fn open(options: &Options, told: Told) -> aludel::Result<Told> {
    let folder = tempfile::tempdir().map_err(aludel::Error::other)?;
    let file = options.file.clone().unwrap_or_else(|| folder.path().join("library.db"));
    let engine = Engine::<SqliteConnection>::new(url_of(&file))?; // connects to nothing yet
    engine.begin(models::create)?;
    let mut session = engine.session();
    if !options.quiet {
        session.set_instrumentation(told.statements());
    }

    told.heading("Authors and books, none of which has a key yet");
    let (tove, jane) = open_the_boxes(&mut session, &told)?;

    told.heading("What is there");
    let keys = [tove, jane].map(|author| session[author].id); // what was committed may still be looked at
    session.get_many::<Author>(keys)?; // both are read again, in one SELECT
    let of_each = session.children_of(&[tove, jane], Book::AUTHOR_ID)?; // the books of both, in another
    for (author, books) in [tove, jane].into_iter().zip(&of_each) {
        told.say(format_args!("{}: {} on the shelf", session[author].name, books.len()));
    }
    let moomins = books::table.filter(books::title.like("%Moomin%")).order(books::title);
    let moomins = session.query::<Book, _>(moomins)?; // a query of Diesel's that answers objects
    assert_eq!(moomins, of_each[0], "the objects that are there already");

    told.heading("Three readers, and two copies");
    let comet = moomins[0];
    for reader in ["Ann", "Bob", "Cid"] {
        let lent = desk::lend(&mut session, comet, reader);
        told.say(match lent {
            Ok(_) => format!("{reader} has it"),
            Err(error) => format!("{reader}: {error}"),
        });
    }
    session.commit()?;
    let out = session.children(comet, Loan::BOOK_ID)?;
    told.say(format_args!(
        "{} are out, and {} are left",
        out.len(),
        session.read(comet)?.copies
    ));

    told.heading("It comes back");
    session.delete(out[0])?; // marked as returned
    session.edit(comet)?.copies += 1;
    session.commit()?;
    let out = session.children(comet, Loan::BOOK_ID)?;
    told.say(format_args!("{} is out", out.len()));

    told.heading("Two librarians and one card");
    let card = session.detach(comet)?; // a plain Book, on its way to a form and back
    session.commit()?;
    engine.begin(|other| {
        let book = other.get_one::<Book>(card.id)?;
        other.edit(book)?.copies += 3; // three were bought meanwhile
        Ok(())
    })?;
    let corrected = Book {
        title: "Comet in Moominland, 2nd edition".to_owned(),
        ..card
    };
    let comet = desk::correct(&mut session, corrected, &told)?;
    session.commit()?;
    told.say(format_args!(
        "{}: {} copies",
        session[comet].title, session[comet].copies
    ));

    told.heading("An author leaves, and her books with her");
    let of = session.parent(comet, Book::AUTHOR_ID)?;
    assert_eq!(of, Some(tove), "the object that is there already");
    session.delete(tove)?;
    session.commit()?;

    told.heading("In the evening");
    told.say(shelves(&mut session)?);
    Ok(told)
}

fn url_of(file: &Path) -> String {
    format!("sqlite://{}?foreign_keys=on", file.display())
}

/// Authors and their books in one flush.
fn open_the_boxes(session: &mut Db, told: &Told) -> aludel::Result<(Entity<Author>, Entity<Author>)> {
    let tove = session.add(Author::named("Tove"));
    let jane = session.add(Author::named("Jane Austen"));
    session.add_to(tove, Book::titled("Comet in Moominland", 2))?;
    session.add_to(tove, Book::titled("Moominsummer Madness", 1))?;
    let emma = session.add_to(jane, Book::titled("Emma", 1))?;
    told.say(session.objects());
    session.flush()?; // INSERTs: the authors, then their books
    told.say(format_args!(
        "Emma is book {}, by author {}",
        session[emma].id, session[emma].author_id
    ));
    session.edit(tove)?.name.push_str(" Jansson");
    told.say(session.objects());
    session.commit()?;
    Ok((tove, jane))
}

/// A table of what is on the shelves.
fn shelves(session: &mut Db) -> aludel::Result<String> {
    let all = books::table.inner_join(authors::table).order(books::id);
    let columns = (books::title, authors::name, books::copies);
    let rows: Vec<(String, String, i32)> = all.select(columns).load(session)?; // Diesel's own, on the same session
    let rows = rows
        .into_iter()
        .map(|(title, author, copies)| [title, author, copies.to_string()]);
    Ok(table(&["book", "by", "copies"], rows))
}

#[cfg(test)]
mod tests;

//! The service: what a librarian can do.

use aludel::prelude::*;

use crate::Db;
use crate::models::{Book, Loan};
use crate::told::Told;

/// Hands a copy to a reader; where there is none left, nothing has happened, and the transaction around it goes on.
pub(crate) fn lend(session: &mut Db, book: Entity<Book>, reader: &str) -> aludel::Result<Entity<Loan>> {
    session.begin_nested(|nested| {
        let loan = nested.add_to(book, Loan::to(reader))?;
        nested.edit(book)?.copies -= 1; // the table has CHECK (copies >= 0)
        nested.flush()?;
        Ok(loan)
    })
}

/// Takes a card that somebody has changed in a form. Where the book was changed meanwhile, the title is what the form was for.
pub(crate) fn correct(session: &mut Db, card: Book, told: &Told) -> aludel::Result<Entity<Book>> {
    let (id, title) = (card.id, card.title.clone());
    match session.merge(card) {
        Err(conflict) if conflict.is_version_conflict() => {
            told.say(&conflict);
            let book = session.get_one::<Book>(id)?;
            session.edit(book)?.title = title;
            Ok(book)
        }
        merged => merged,
    }
}

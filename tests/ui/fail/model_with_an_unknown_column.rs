// A field of a model is a column of its table. (Diesel's derives say so too; here only ours speaks.)

use aludel::prelude::*;
use diesel::backend::Backend;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, } }

#[derive(Model, Queryable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    body: String,
}

impl<DB: Backend> Selectable<DB> for Note {
    type SelectExpression = (notes::id, notes::text);

    fn construct_selection() -> Self::SelectExpression {
        (notes::id, notes::text)
    }
}

fn main() {}

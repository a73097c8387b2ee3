// Each field is a column, and is written as its type is.

use aludel::prelude::*;
use diesel::prelude::*;

diesel::table! { notes (id) { id -> Integer, text -> Text, length -> Integer, } }

struct Trimmed(String);

#[derive(Model, Queryable, Selectable, Clone)]
#[diesel(table_name = notes)]
struct Note {
    id: i32,
    #[diesel(serialize_as = Trimmed)]
    text: String,
    #[diesel(select_expression = diesel::dsl::sql::<diesel::sql_types::Integer>("length(text)"))]
    length: i32,
}

fn main() {}

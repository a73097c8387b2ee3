//! Objects, told on every backend: [`verbs`], [`states`], [`merging`], [`autoflush`], [`keys`], [`family`].
//!
//! A test binary has them as tests of its own with one line: `aludel_tests::model_stories!(aludel_tests::cases::sqlite);`.
#![allow(
    missing_docs,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a story is a test, often with the name of SQLAlchemy's, and fails as tests do"
)]

use aludel::Flavour;
use aludel::prelude::*;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use crate::cases::Stage;

pub mod autoflush;
pub mod family;
pub mod keys;
pub mod merging;
pub mod programs;
pub mod states;
pub mod verbs;

diesel::table! {
    /// Who.
    users (id) { id -> Integer, name -> Text, }
}

diesel::table! {
    /// Where to write to them.
    addresses (id) { id -> Integer, user_id -> Nullable<Integer>, email -> Text, }
}

diesel::table! {
    /// A key of two columns, one of which has another name in the struct.
    shares (owner, stock) { owner -> Text, stock -> Text, amount -> Integer, }
}

/// A parent.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = users)]
pub struct User {
    pub id: i32,
    pub name: String,
}

/// A child.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = addresses)]
pub struct Address {
    pub id: i32,
    #[model(belongs_to = User)]
    pub user_id: Option<i32>,
    pub email: String,
}

/// A key that the client makes.
#[derive(Model, Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = shares, primary_key(owner, stock))]
pub struct Share {
    pub owner: String,
    #[diesel(column_name = stock)]
    pub of: String,
    pub amount: i32,
}

impl User {
    pub fn new(name: &str) -> Self {
        Self {
            id: 0,
            name: name.to_owned(),
        }
    }
}

impl Address {
    pub fn new(email: &str) -> Self {
        Self {
            id: 0,
            user_id: None,
            email: email.to_owned(),
        }
    }
}

impl Share {
    pub fn new(owner: &str, of: &str, amount: i32) -> Self {
        Self {
            owner: owner.to_owned(),
            of: of.to_owned(),
            amount,
        }
    }

    pub fn key_of(owner: &str, of: &str) -> (String, String) {
        (owner.to_owned(), of.to_owned())
    }
}

/// Makes the tables, and answers a session.
pub fn session_on<C: Dialect>(stage: &Stage<C>) -> aludel::Result<Session<C>> {
    let (key, end) = match C::FLAVOUR {
        Flavour::Sqlite => ("INTEGER PRIMARY KEY", ""),
        Flavour::MySql => ("INTEGER AUTO_INCREMENT PRIMARY KEY", " ENGINE=InnoDB"),
        _ => ("SERIAL PRIMARY KEY", ""),
    };
    let tables = [
        format!("CREATE TABLE users (id {key}, name VARCHAR(40) NOT NULL){end}"),
        format!(
            "CREATE TABLE addresses (id {key}, user_id INTEGER REFERENCES users (id), email VARCHAR(40) NOT NULL UNIQUE){end}"
        ),
        format!(
            "CREATE TABLE shares (owner VARCHAR(40) NOT NULL, stock VARCHAR(40) NOT NULL, amount INTEGER NOT NULL, \
             PRIMARY KEY (owner, stock)){end}"
        ),
    ];
    stage.engine.begin(|session| {
        for table in &tables {
            session.batch_execute(table)?;
        }
        Ok(())
    })?;
    stage.log.clear();
    stage.sent.clear();
    Ok(stage.engine.session())
}

/// The statements since the last look that read or wrote rows of these tables: the verb and the table.
pub fn sent<C: Dialect>(stage: &Stage<C>) -> Vec<String> {
    let tables = ["users", "addresses", "shares", "accounts"];
    let told = |line: String| {
        let verb = line.split(' ').next().unwrap_or_default().to_owned();
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let table = match verb.as_str() {
            "SELECT" | "DELETE" => words
                .skip_while(|word| *word != "FROM")
                .find(|word| tables.contains(word)),
            "INSERT" | "UPDATE" => words.find(|word| tables.contains(word)),
            _ => None,
        };
        table.map(|table| format!("{verb} {table}"))
    };
    stage.sent.take().into_iter().filter_map(told).collect()
}

/// What was sent since the last look.
#[track_caller]
pub fn expect_sent<C: Dialect>(stage: &Stage<C>, expected: &[&str]) {
    assert_eq!(sent(stage), expected);
}

/// Something else, on a connection of its own.
pub fn elsewhere<C: Dialect>(stage: &Stage<C>, sql: &str) -> aludel::Result<()> {
    let quiet = Engine::<C>::new(stage.engine.url().clone())?;
    quiet.begin(|session| Ok(session.batch_execute(sql)?))
}

/// The stories as tests on the stages that a function makes.
#[macro_export]
macro_rules! model_stories {
    ($stage:path) => {
        $crate::model_stories! { $stage, verbs:
            get
            get_one
            get_many
            get_for_update
            delete_all
            edit_many
            refresh
        }
        $crate::model_stories! { $stage, states:
            make_transient
            make_transient_to_detached
            make_transient_to_detached_no_session_allowed
            make_transient_to_detached_no_key_allowed
            deleted_flag
            add_delete
            deleted_auto_expunged
            explicit_expunge_pending
            already_attached
            identity_map_mutate
            transient_to_pending
            dirty_persistent_to_detached_via_expunge
            detached_to_dirty_deleted
            detached_to_dirty_persistent
            move_persistent_clean
            a_stale_handle_names_model_and_key
            objects_in_words
        }
        $crate::model_stories! { $stage, merging:
            merge
            merge_no_version
            merge_incorrect_version
        }
        $crate::model_stories! { $stage, autoflush:
            autoflush
            with_no_autoflush
            autoflush_2
        }
        $crate::model_stories! { $stage, keys:
            natural_keys_change
            a_key_that_was_changed_returns_with_its_savepoint
            a_new_object_with_a_freed_key
            deleted_and_new_in_one_transaction
        }
        $crate::model_stories! { $stage, family:
            bidirectional
            child_move
            backref
            many_to_one
            children_of
            a_parent_that_leaves
        }
    };
    ($stage:path, $module:ident: $($story:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $story() -> aludel::Result<()> {
                    $crate::models::$module::$story(&$stage(stringify!($story)))
                }
            )*
        }
    };
}

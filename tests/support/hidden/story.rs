//! The story, once for every backend.

/// Tests of the session's discretion on an engine of this connection type.
///
/// The calling module has a function `url() -> String` of a database with an empty table `vault`: `id`, a key that is made by
/// the database; `word`, unique, of up to 64 letters; `number`, a BIGINT that is not negative; `bytes`.
#[macro_export]
macro_rules! hidden_values {
    ($connection:ty) => {
        use std::panic::{AssertUnwindSafe, catch_unwind};

        use aludel::prelude::*;
        use aludel::{Flavour, RetryPolicy};
        use aludel_tests::hidden::{AROUND, Around, DEEDS, Deed, Seen, Step, Values, shows};
        use aludel_tests::{random, secrets};
        use diesel::dsl::sql;
        use diesel::prelude::*;
        use diesel::sql_types::{BigInt, Text};
        use proptest::prelude::*;
        use proptest::test_runner::Config;

        diesel::table! { vault (id) { id -> Integer, word -> Text, number -> BigInt, bytes -> Binary, } }

        #[derive(Model, Queryable, Selectable, Clone, Debug)]
        #[diesel(table_name = vault)]
        struct Secret {
            id: i32,
            word: String,
            number: i64,
            bytes: Vec<u8>,
        }

        #[derive(Insertable)]
        #[diesel(table_name = vault)]
        struct Row<'a> {
            word: &'a str,
            number: i64,
            bytes: &'a [u8],
        }

        #[derive(AsChangeset, Identifiable)]
        #[diesel(table_name = vault)]
        struct Change<'a> {
            id: i32,
            word: &'a str,
        }

        impl<'a> Row<'a> {
            fn of(values: &'a Values) -> Self {
                let Values { word, number, bytes } = values;
                Self { word, number: *number, bytes }
            }

            fn insert<C>(self, connection: &mut C) -> QueryResult<usize>
            where
                C: diesel::connection::LoadConnection<Backend = <$connection as diesel::Connection>::Backend>,
            {
                diesel::insert_into(vault::table).values(self).execute(connection)
            }
        }

        /// The placeholders of raw SQL.
        fn marked(text: &str) -> String {
            match <$connection as Dialect>::FLAVOUR {
                Flavour::PostgreSql => text.replace("?1", "$1").replace("?2", "$2"),
                _ => text.replace("?1", "?").replace("?2", "?"),
            }
        }

        fn does(session: &mut Session<$connection>, step: &Step, seen: &mut Seen) -> aludel::Result<()> {
            let values = &step.values;
            let Values { word, number, bytes } = values;
            let object = || Secret { id: 0, word: word.clone(), number: *number, bytes: bytes.clone() };
            let changed = diesel::update(vault::table.filter(vault::word.eq(word)))
                .set((vault::number.eq(number), vault::bytes.eq(bytes)));
            match step.deed {
                Deed::Insert => drop(Row::of(values).insert(session)?),
                Deed::InsertTwice => {
                    Row::of(values).insert(session)?;
                    Row::of(values).insert(session)?;
                }
                Deed::TooLong => {
                    let word = &format!("{word}{}", "x".repeat(100));
                    Row { word, ..Row::of(values) }.insert(session)?;
                }
                Deed::Check => drop(Row { number: -number, ..Row::of(values) }.insert(session)?),
                Deed::ZeroByte => drop(Row { word: &format!("{word}\0"), ..Row::of(values) }.insert(session)?),
                Deed::Update => drop(changed.execute(session)?),
                Deed::Select => {
                    Row::of(values).insert(session)?;
                    let same = vault::table
                        .filter(vault::word.eq(word))
                        .filter(vault::number.eq(number))
                        .filter(vault::bytes.eq(bytes));
                    let rows: Vec<Secret> = same.load(session)?;
                    assert_eq!(rows.len(), 1, "it is there");
                }
                Deed::Batch | Deed::BatchTwice => {
                    let other = if step.deed == Deed::Batch { format!("{word}2") } else { word.clone() };
                    let rows = vec![Row::of(values), Row { word: &other, ..Row::of(values) }];
                    diesel::insert_into(vault::table).values(&rows).execute(session)?;
                }
                Deed::Raw | Deed::RawMissing => {
                    let table = if step.deed == Deed::Raw { "vault" } else { "missing" };
                    diesel::sql_query(marked(&format!("UPDATE {table} SET number = ?1 WHERE word = ?2")))
                        .bind::<BigInt, _>(number)
                        .bind::<Text, _>(word)
                        .execute(session)?;
                }
                Deed::RawNumber => {
                    Row::of(values).insert(session)?;
                    diesel::sql_query(marked("UPDATE vault SET number = CAST(?1 AS DECIMAL) WHERE word = ?2"))
                        .bind::<Text, _>(word)
                        .bind::<Text, _>(word)
                        .execute(session)?;
                }
                Deed::SaveChanges => {
                    let other = format!("{word}2");
                    Row::of(values).insert(session)?;
                    Row { word: &other, ..Row::of(values) }.insert(session)?;
                    let id = vault::table.filter(vault::word.eq(&other)).select(vault::id).first(session)?;
                    drop(Change { id, word }.save_changes::<Secret>(session)?);
                }
                Deed::WithRaw => session.with_raw(|raw| {
                    Row::of(values).insert(raw)?;
                    drop(Row::of(values).insert(raw)?);
                    Ok(())
                })?,
                Deed::ReadAsNumber => {
                    Row::of(values).insert(session)?;
                    let word = vault::table.filter(vault::word.eq(word)).select(sql::<BigInt>("word"));
                    drop(word.load::<i64>(session)?);
                }
                Deed::Object => {
                    let entity = session.add(object());
                    session.flush()?;
                    session[entity].number = number + 1_000_000;
                    seen.note(&format!("{entity:?} {session:?}"));
                    session.flush()?;
                }
                Deed::ObjectTwice => {
                    let (one, two) = (session.add(object()), session.add(object()));
                    seen.note(&format!("{one:?} {two:?} {session:?}"));
                    session.flush()?;
                }
                Deed::Panic => {
                    let mut entity = None;
                    let undone = session.begin_nested(|nested| {
                        entity = Some(nested.add(object()));
                        nested.flush()?;
                        Err::<(), _>(aludel::Error::other("on second thoughts, no"))
                    });
                    seen.error(&undone.expect_err("it changed its mind"));
                    let entity = entity.expect("it was added");
                    let panic = catch_unwind(AssertUnwindSafe(|| session[entity].clone())).expect_err("it has left");
                    seen.note(panic.downcast_ref::<String>().expect("it is a text"));
                }
            }
            Ok(())
        }

        fn tell(engine: &Engine<$connection>, step: &Step, seen: &mut Seen) {
            let mut session = engine.session();
            let told = match step.around {
                Around::Transaction => session.begin(|session| does(session, step, seen)),
                Around::Savepoint => session.begin(|session| session.begin_nested(|nested| does(nested, step, seen))),
                Around::Swallowed => session.begin(|session| {
                    if let Err(error) = does(session, step, seen) {
                        seen.error(&error);
                    }
                    seen.note(&format!("{session:?}"));
                    if let Err(error) = session.flush() {
                        seen.error(&error);
                    }
                    Ok(())
                }),
                Around::Retry => session.retry(&RetryPolicy::new(), |session| does(session, step, seen)),
            };
            if let Err(error) = told {
                seen.error(&error);
            }
            seen.note(&format!("{session:?} {:?}", engine.connect()));
        }

        /// Tells the steps twice: where somebody watches all of it, and where nobody does, since the two know the text of a
        /// failed statement from different places. Answers how many errors there were.
        fn tell_all(url: &str, steps: &[Step]) -> usize {
            let mut seen = Seen::default();
            let shown = secrets::shown_with::<$connection>(url, true, |engine| {
                for step in steps {
                    tell(engine, step, &mut seen);
                }
                Ok(())
            });
            let quiet = Engine::<$connection>::new(url).expect("the URL of a test is sound");
            for step in steps {
                tell(&quiet, step, &mut seen);
            }
            let failed = seen.failed();
            seen.expect_hidden(&shown, steps);
            failed
        }

        fn steps() -> impl Strategy<Value = Vec<Step>> {
            let (deed, around) = (proptest::sample::select(&DEEDS[..]), proptest::sample::select(&AROUND[..]));
            let values = (any::<u32>(), "[^\0]{0,12}").prop_map(|(number, odd)| Values::new(number, &odd));
            let step = (deed, around, values).prop_map(|(deed, around, values)| Step { deed, around, values });
            proptest::collection::vec(step, 1..20)
        }

        /// The same in each run; long runs are longer, and others each time.
        fn config() -> Config {
            Config {
                max_shrink_iters: 200,
                ..random::config(20, 50)
            }
        }

        #[test]
        fn bind_values_are_in_nothing_that_a_program_could_see() {
            let url = url();
            proptest!(config(), |(steps in steps())| {
                tell_all(&url, &steps);
            });
        }

        #[test]
        fn each_deed_hides_its_values_wherever_it_is_done() {
            let (url, mut failed) = (url(), Vec::new());
            for (number, deed) in (0..).zip(DEEDS) {
                for (place, around) in (0..).zip(AROUND) {
                    let values = Values::new(number * 10 + place, " 'quoted' \"twice\" \\ \u{202e}\n");
                    let step = Step { deed, around, values };
                    if tell_all(&url, &[step]) > 0 && !failed.contains(&deed) {
                        failed.push(deed);
                    }
                }
            }
            // Without failures there would be little to look at.
            for deed in [Deed::InsertTwice, Deed::TooLong, Deed::Check, Deed::BatchTwice, Deed::RawMissing, Deed::SaveChanges, Deed::WithRaw, Deed::ObjectTwice] {
                assert!(failed.contains(&deed), "{deed:?} has failed nowhere");
            }
        }

        #[test]
        fn whoever_asks_for_values_sees_them_in_the_same_places() {
            let values = Values::new(7, "");
            let step = Step { deed: Deed::Insert, around: Around::Transaction, values };
            let shown = secrets::shown_with::<$connection>(&url(), false, |engine| {
                tell(engine, &step, &mut Seen::default());
                Ok(())
            });
            assert!(shows(&shown, &step.values), "so the others have looked at the right places: {shown}");
        }
    };
}

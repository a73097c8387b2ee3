//! What must not compile, with the compiler's words beside it, and its twin that must, and does what it should.
//!
//! `fail/*.rs` are compiled by `trybuild`, each by itself; the words are those of the toolchain in `rust-toolchain.toml`,
//! and `TRYBUILD=overwrite cargo test --test ui` writes them anew. `pass/*.rs` are programs, and modules of this one: one
//! program links in the time of one.

use std::collections::BTreeSet;
use std::path::Path;

/// The chapter of the reference that has them all.
const PAGE: &str = include_str!("../../session/src/compiler_says.md");

/// Each program in `pass/` as a module with its `main` as a test.
macro_rules! programs {
    ($($name:ident)*) => {
        $(
            mod $name {
                include!(concat!("pass/", stringify!($name), ".rs"));

                #[test]
                fn runs() -> impl std::process::Termination {
                    main()
                }
            }
        )*

        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];
    };
}

programs! {
    ambient_session_kept_beyond_its_closure
    borrowed_session_used_while_nested_is_open
    embedded_struct_with_a_key
    error_type_left_open
    handle_of_another_model
    hook_uses_its_session
    isolation_level_as_text
    model_on_an_enum
    model_that_embeds_any_struct
    model_that_lets_go_of_what_cannot_be_let_go
    model_with_a_column_that_is_none
    model_with_a_default_beside_its_key
    model_with_a_key_as_version
    model_with_a_key_made_by_both
    model_with_a_mark_of_another_type
    model_with_a_mistake_that_others_refer_to
    model_with_a_time_of_another_type
    model_with_a_type_parameter
    model_with_a_version_that_cannot_be_counted
    model_with_an_unknown_attribute
    model_with_an_unknown_column
    model_with_children_of_two_kinds
    model_with_relations_to_what_is_not_there
    model_with_several_mistakes
    model_with_two_versions
    model_with_two_writers_of_a_column
    model_without_a_key
    model_without_a_table
    once_answers_what_cannot_be_replayed
    outer_session_read_while_nested_is_open
    outer_session_used_while_nested_is_open
    query_borrows_from_its_session
    raw_handle
    reader_as_a_connection
    reader_deletes
    reader_inserts
    reader_locks_rows
    reader_locks_rows_in_a_union
    reader_reads_boxed_queries
    reader_reads_counts
    reader_reads_groups
    reader_reads_joins
    reader_reads_tables
    reader_reads_unions
    reader_runs_raw_sql
    reader_updates
    retry_and_transactional_at_once
    retry_answers_a_reference_into_the_session
    retry_changes_an_argument
    retry_changes_an_owned_receiver
    retry_changes_its_receiver
    retry_changes_what_may_be_its_session
    retry_clones_an_unknown_argument
    retry_clones_what_a_rerun_sees
    retry_clones_what_it_changes
    retry_deferrable_and_writing
    retry_deferrable_at_another_level
    retry_in_autocommit
    retry_keeps_its_session
    retry_moves_an_argument
    retry_on_a_class_given_twice
    retry_on_a_diesel_connection
    retry_on_a_session_by_value
    retry_on_a_session_without_a_name
    retry_on_a_shared_session
    retry_on_a_struct
    retry_on_an_async_function
    retry_on_an_unknown_class
    retry_on_permanent_errors
    retry_with_a_key_given_twice
    retry_with_a_number_as_deadline
    retry_with_a_policy_beside_its_parts
    retry_with_a_policy_that_is_none
    retry_with_a_propagation
    retry_with_a_value_for_a_word
    retry_with_an_engine_and_a_connection
    retry_with_an_engine_beside_a_session
    retry_with_an_error_not_made_from_ours
    retry_with_an_error_that_borrows
    retry_with_an_unknown_commit_policy
    retry_with_an_unknown_isolation_level
    retry_with_an_unknown_key
    retry_with_an_unreadable_deadline
    retry_with_isolation_as_text
    retry_with_one_pause
    retry_with_pauses_that_shrink
    retry_with_several_mistakes
    retry_without_a_body
    retry_without_a_result
    retry_without_a_return_type
    retry_without_attempts
    savepoint_named_by_text
    session_answered_by_its_closure
    session_dropped_under_a_value
    session_kept_beyond_its_closure
    session_moved_to_another_thread
    session_of_a_pooled_connection
    session_shared_between_threads
    struct_added_as_a_model
    struct_named_as_a_model
    token_made_from_text
    transactional_answers_a_reference_into_the_session
    transactional_clones_an_argument
    transactional_isolates_no_transaction
    transactional_keeps_its_session
    transactional_on_a_diesel_connection
    transactional_on_a_shared_session
    transactional_on_an_async_function
    transactional_twice
    transactional_with_a_propagation_as_text
    transactional_with_an_error_not_made_from_ours
    transactional_with_an_idempotent_commit
    transactional_with_an_unknown_propagation
    transactional_with_attempts
    transactional_with_isolation_as_text
    transactional_with_several_mistakes
    transactional_with_two_propagations
    transactional_without_a_result
    two_values_edited_at_once
    value_borrowed_across_a_session_call
    values_kept_beyond_their_session
}

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

#[test]
fn each_mistake_has_a_twin_that_runs() {
    let programs: BTreeSet<_> = PROGRAMS.iter().map(ToString::to_string).collect();
    assert_eq!(
        programs,
        names_in("pass"),
        "the list of programs in this file, and the folder"
    );
    let without_twin: Vec<_> = names_in("fail").difference(&programs).cloned().collect();
    assert!(without_twin.is_empty(), "{without_twin:?}");
}

/// What the reference says about each mistake is what the compiler says.
#[test]
fn the_page_has_each_mistake_and_the_compilers_words() {
    let mut told = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| ")) {
        let [_, _, theirs, ours, fixture, _] = row.split('|').collect::<Vec<_>>()[..] else {
            wrong.push(format!("not four columns: {row}"));
            continue;
        };
        let name = fixture.trim().trim_matches('`').to_owned();
        if name == "Fixture" {
            continue;
        }
        if theirs.trim().is_empty() {
            wrong.push(format!("{name}: nothing about SQLAlchemy"));
        }
        let (words, pinned) = (words(ours), pinned(&name));
        if words.is_empty() {
            wrong.push(format!("{name}: neither a code nor words of the compiler's"));
        }
        for missing in words.iter().filter(|words| !pinned.contains(words.as_str())) {
            wrong.push(format!("{name}: the compiler does not say {missing:?}"));
        }
        if !told.insert(name.clone()) {
            wrong.push(format!("{name}: in two rows"));
        }
    }
    let untold: Vec<_> = names_in("fail").difference(&told).cloned().collect();
    wrong.extend(untold.iter().map(|name| format!("{name}: in no table")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The error codes in a cell, and what stands there in quotes.
fn words(cell: &str) -> Vec<String> {
    let code = |word: &&str| word.len() == 5 && word.starts_with('E') && word[1..].bytes().all(|b| b.is_ascii_digit());
    let plain: String = cell.split('"').step_by(2).collect();
    let codes = plain
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(code)
        .map(|code| format!("error[{code}]"));
    codes
        .chain(cell.split('"').skip(1).step_by(2).map(str::to_owned))
        .collect()
}

/// What the compiler says of a fixture; nothing if there is no such fixture.
fn pinned(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("ui/fail")
        .join(format!("{name}.stderr"));
    std::fs::read_to_string(file).unwrap_or_default()
}

/// The names of the fixtures in a folder.
fn names_in(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui").join(folder);
    let files = folder.read_dir().expect("the folder is beside this file");
    files
        .map(|file| file.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect()
}

//! Tokens that outlive their process.

use aludel::Dialect;
use aludel::prelude::*;
use aludel::verify::Resolution;
use diesel::connection::SimpleConnection as _;

use super::{Ask, CHARGE, Scene};

/// What the story of a crash is told: the database, and a file of which nobody knows anything.
///
/// # Panics
///
/// If there is no temporary folder.
pub fn note_of_a_crash(url: &str) -> String {
    let folder = tempfile::Builder::new().prefix("aludel-crash.").tempdir();
    let note = folder.expect("a temporary folder can be made").keep().join("token");
    format!("{} {url}", note.display())
}

/// Told on a [stage](crate::fork::stage): a process dies with its transaction open, or after its COMMIT, and another one
/// finds out with the token that it had written down.
///
/// # Panics
///
/// If it is not so.
pub fn another_process_finds_out<C: Dialect>(note: &str, ask: Ask<C>) {
    let (note, url) = note.split_once(' ').expect("it was noted like this");
    let scene = Scene::<C>::set(url, ask);
    for (commits, expected) in [(false, Resolution::NotCommitted), (true, Resolution::Committed)] {
        crate::fork::child(|| {
            let engine = scene.stranger();
            engine.create_commit_table().expect("it may be made");
            let mut session = engine.session();
            session.batch_execute(CHARGE).expect("the table is there");
            let token = session.commit_token().expect("the table is there");
            std::fs::write(note, token.to_string()).expect("it can be written down");
            if commits {
                session.commit().expect("nothing is in its way");
            }
            // It ends as it stands, like one that has crashed.
            std::process::exit(0);
        })
        .expect_success();
        let text = std::fs::read_to_string(note).expect("it was written down");
        let token = text.parse().expect("it was written by a token");
        assert_eq!(scene.resolve(&token), expected);
    }
    assert_eq!(scene.charged(), 1);
    let folder = std::path::Path::new(note).parent().expect("it is in a folder");
    std::fs::remove_dir_all(folder).expect("it is ours");
}

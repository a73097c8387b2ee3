//! The tables that name tests are kept: each name in them is a test that exists, and each row is there once.
//!
//! A table of tests rots in silence, since nobody runs a table. This reads the tables, and walks the sources for what they
//! name: `binary::file::name` under `tests/`, `binary::models::file::name` under `tests/models/`, `aludel-core:module::name` and
//! `aludel:module::name` under the packages' `src/`, `pool::tests::..` for those of core, `ui::fail::name` for what must not
//! compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TABLES: [(&str, &str); 3] = [
    ("tests/PARITY.md", include_str!("../PARITY.md")),
    ("session/src/features.md", include_str!("../../session/src/features.md")),
    ("README.md", include_str!("../../README.md")),
];

/// What stands for the three binaries that have sessions on a database.
const EVERYWHERE: &str = "everywhere::";

/// These three.
const BINARIES: [&str; 3] = ["session", "mariadb", "postgres"];

/// Where the modules of what a name begins with are, seen from the workspace's root.
const ROOTS: [(&str, &str); 11] = [
    (EVERYWHERE, "tests"),
    ("core::", "tests/core"),
    ("session::", "tests/session"),
    ("mariadb::", "tests/mariadb"),
    ("postgres::", "tests/postgres"),
    ("ui::", "tests/ui"),
    ("aludel-core:", "core/src"),
    ("aludel:", "session/src"),
    ("aludel-macros:", "macros/src"),
    ("aludel-under-shuttle:", "tests/proof/shuttle/tests"),
    ("pool::tests::", "core/src/pool/tests"),
];

#[test]
fn every_test_that_a_table_names_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for (table, text) in TABLES {
        for (number, line) in text.lines().enumerate() {
            for name in names(line) {
                match lookup(&name) {
                    Ok(()) => found += 1,
                    Err(why) => missing.push(format!("{table}:{}: {name}: {why}", number + 1)),
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(found > 400, "the tables are read: {found}");
}

/// Two branches that each mend a row leave two of them.
#[test]
fn no_section_has_a_row_twice() {
    let mut twice = Vec::new();
    for (table, text) in TABLES {
        let mut seen = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                seen.clear();
            }
            if let ["", subject, ..] = line.split('|').collect::<Vec<_>>().as_slice()
                && !seen.insert(subject.trim())
            {
                twice.push(format!("{table}:{}: {}", number + 1, subject.trim()));
            }
        }
    }
    assert!(twice.is_empty(), "{}", twice.join("\n"));
}

/// Who leaves one out has its stories on two databases only, and nobody notices.
#[test]
fn every_story_of_models_is_told_on_each_database() {
    let files: BTreeSet<String> = sources(&workspace().join("tests/models"))
        .iter()
        .filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    assert!(files.contains("order"), "{files:?}");
    for binary in BINARIES {
        assert_eq!(included(binary), files, "tests/{binary}/models.rs");
    }
}

#[test]
fn a_name_that_is_not_there_is_told_with_what_is_missing() {
    let told = |name| lookup(name).expect_err("there is no such test");
    assert!(told("core::parity::nobody_wrote_this").ends_with("has no test `nobody_wrote_this`"));
    assert!(told("core::nowhere::at_all").ends_with("there is no module `nowhere`"));
    assert!(told("aludel-core:classify::tests::nobody").ends_with("has no test `nobody`"));
    // A function that is no test is none.
    assert!(told("core::parity::lookup").ends_with("has no test `lookup`"));
    assert!(told("everywhere::transaction_cases::no_such_case").contains("session/transaction_cases.rs"));
    assert!(told("everywhere::endings::an_exit_in_a_box_is_an_exit").contains("no module `endings`"));
    assert!(told("everywhere::models::order::no_such_case").contains("models/order.rs has no test"));
    assert!(told("mariadb::models::nothing::at_all").ends_with("includes no `nothing`"));
    lookup("everywhere::transaction_cases::commits").expect("a story of all three");
    lookup("everywhere::models::order::one_to_many_save").expect("a story of tests/models");
    lookup("core::parity").expect("this module");
    lookup("ui::fail::hook_uses_its_session").expect("a file in a folder");
    lookup("core::config::files").expect("a module in a file");
    lookup("everywhere::models::keys::boolean").expect("by #[path]");
    assert!(told("everywhere::models::keys::no_such_case").contains("models/keys.rs has no test `no_such_case`"));
    lookup("everywhere::model_stories::verbs::get").expect("a test in a module that a macro makes");
    lookup("session::design::as_you_go").expect("a test that a macro of the support library makes");
    assert_eq!(
        names("the tests of these names in `core::hooks`: `one`"),
        ["core::hooks"]
    );
    assert_eq!(
        names("| `CTest`: `a`, `b` | the tests of those names in `core::hooks` |"),
        ["core::hooks::a", "core::hooks::b", "core::hooks"]
    );
}

/// The tests and modules that a line names.
fn names(line: &str) -> Vec<String> {
    let quoted = |text: &str| -> Vec<String> { text.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let is_name = |text: &String| {
        let mut rests = ROOTS.iter().filter_map(|(prefix, _)| text.strip_prefix(prefix));
        // `aludel::how_to_test` is a path of the reference.
        rests.any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_:-".contains(c))
    };
    let mut all = Vec::new();
    // "the tests of those names in `module`": the names are those of the column before.
    if let [_, theirs, ours, ..] = line.split('|').collect::<Vec<_>>().as_slice()
        && let Some(("", rest)) = ["the tests of those names in ", "the tests of these names in "]
            .iter()
            .find_map(|words| ours.trim_start().split_once(words))
    {
        let (module, others) = (&quoted(rest)[0], quoted(ours));
        let is_case = |name: &String| name.starts_with(|c: char| c.is_ascii_lowercase()) && !others.contains(name);
        all.extend(
            quoted(theirs)
                .into_iter()
                .filter(is_case)
                .map(|name| format!("{module}::{name}")),
        );
    }
    all.extend(quoted(line).into_iter().filter(is_name));
    all
}

/// Looks for a test, or for a module where the name ends with one.
fn lookup(name: &str) -> Result<(), String> {
    // A story that each of these binaries has as a test.
    if let Some(rest) = name.strip_prefix(EVERYWHERE) {
        return BINARIES
            .iter()
            .try_for_each(|binary| lookup(&format!("{binary}::{rest}")));
    }
    // A story of `tests/models`, which each of these binaries includes.
    if let Some((binary, story)) = name.split_once("::models::")
        && BINARIES.contains(&binary)
    {
        let file = story.split("::").next().unwrap_or_default();
        if !included(binary).contains(file) {
            return Err(format!("tests/{binary}/models.rs includes no `{file}`"));
        }
        return find(&workspace().join("tests/models"), story);
    }
    let (prefix, root) = ROOTS
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .ok_or("it begins with none of the known places")?;
    find(&workspace().join(root), &name[prefix.len()..])
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a folder of the workspace")
}

/// The files of `tests/models` that a binary includes.
fn included(binary: &str) -> BTreeSet<String> {
    let list = read(&workspace().join("tests").join(binary).join("models.rs"));
    let lines = list
        .lines()
        .filter_map(|line| line.strip_prefix("#[path = \"../models/"));
    lines
        .filter_map(|rest| rest.split_once(".rs\"]"))
        .map(|(file, _)| file.to_owned())
        .collect()
}

/// Looks from a folder on.
fn find(folder: &Path, name: &str) -> Result<(), String> {
    let mut file = None;
    let mut folder = folder.to_owned();
    let mut parts = name.split("::").peekable();
    while let Some(part) = parts.peek() {
        let (next, within) = (folder.join(format!("{part}.rs")), folder.join(part));
        if next.is_file() {
            file = Some(next);
        } else if !within.is_dir() {
            break;
        }
        folder = within;
        parts.next();
    }
    let rest: Vec<&str> = parts.collect();
    let Some(mut file) = file else {
        return Err(format!(
            "there is no module `{}`",
            rest.first().copied().unwrap_or_default()
        ));
    };
    let mut inside = read(&file);
    for (index, part) in rest.iter().enumerate() {
        if let Some(elsewhere) = by_path(&file, &inside, part) {
            (inside, file) = (read(&elsewhere), elsewhere);
            continue;
        }
        match inside.split_once(&format!("mod {part} {{")) {
            Some((_, module)) => inside = module.to_owned(),
            None if index + 1 == rest.len() && (has_test(&inside, part) || makes_test(&inside, part)) => {}
            // A module that a macro makes.
            None if index + 1 < rest.len() && makes_test(&inside, part) => {}
            None => return Err(format!("{} has no test `{part}`", file.display())),
        }
    }
    Ok(())
}

/// The file of a module that stands in another folder.
fn by_path(file: &Path, source: &str, module: &str) -> Option<PathBuf> {
    let (before, _) = source.split_once(&format!("\"]\nmod {module};"))?;
    let (_, path) = before.rsplit_once("#[path = \"")?;
    Some(file.parent()?.join(path))
}

/// Whether there is a function of this name with `#[test]` among its attributes.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let begins = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        line.starts_with(&begins) && above.into_iter().any(|line| *line == "#[test]")
    })
}

/// Whether a macro makes a test of this name: one of the support library that is called here, or one that is given the name.
fn makes_test(source: &str, name: &str) -> bool {
    let has_word = |text: &str| {
        let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.any(|word| word == name)
    };
    let macros = |text: &str| -> Vec<(String, String)> {
        let parts = text.split("macro_rules! ").skip(1);
        let named = parts.filter_map(|part| part.split_once(" {"));
        named
            .map(|(name, body)| (name.to_owned(), end_of_item(body).to_owned()))
            .collect()
    };
    let called = |made: &str| source.contains(&format!("{made}!"));
    let given = |made: &str| {
        let call = format!("\n{made}! {{");
        let mut calls = source.split(call.as_str()).skip(1);
        calls.any(|call| has_word(end_of_item(call)))
    };
    let support = Path::new(env!("CARGO_MANIFEST_DIR")).join("support");
    let mut of_support = sources(&support).into_iter().flat_map(|file| macros(&read(&file)));
    of_support.any(|(made, body)| (called(&made) && has_word(&body)) || given(&made))
        || macros(source).iter().any(|(made, _)| given(made))
}

/// What stands before the brace that ends an item at the left margin.
fn end_of_item(text: &str) -> &str {
    text.split("\n}").next().unwrap_or_default()
}

/// All sources of a folder, the folders in it included.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a source is UTF-8")
}

use super::*;

fn options(quiet: bool) -> Options {
    Options { quiet, file: None }
}

#[test]
fn a_quiet_day_is_told_as_it_was() {
    let told = open(&options(true), Told::default()).expect("nothing goes wrong but what is meant to");
    assert_eq!(
        told.lines()[..31],
        [
            "Authors and books, none of which has a key yet",
            "Author (no key yet): pending",
            "Author (no key yet): pending",
            "Book (no key yet): pending",
            "Book (no key yet): pending",
            "Book (no key yet): pending",
            "Emma is book 3, by author 2",
            "Author 1: persistent, changed: name",
            "Author 2: persistent",
            "Book 1: persistent",
            "Book 2: persistent",
            "Book 3: persistent",
            "What is there",
            "Tove Jansson: 2 on the shelf",
            "Jane Austen: 1 on the shelf",
            "Three readers, and two copies",
            "Ann has it",
            "Bob has it",
            "Cid: CHECK constraint failed: copies >= 0 [SQL: UPDATE `books` SET `copies` = ?, `version` = ? WHERE `id` = ? \
             AND `version` = ?] [rolled back to the savepoint]",
            "2 are out, and 0 are left",
            "It comes back",
            "1 is out",
            "Two librarians and one card",
            "Book 1 was changed by somebody else: expected version 4, found 5; run the whole transaction again: `#[retry]` does \
             so by itself",
            "Comet in Moominland, 2nd edition: 4 copies",
            "An author leaves, and her books with her",
            "In the evening",
            "┌──────┬─────────────┬────────┐",
            "│ book ┆          by ┆ copies │",
            "╞══════╪═════════════╪════════╡",
            "│ Emma ┆ Jane Austen ┆      1 │",
        ]
    );
}

#[test]
fn parents_are_written_before_their_children_and_children_go_before_their_parents() {
    let told = open(&options(false), Told::default()).expect("nothing goes wrong but what is meant to");
    let lines = told.lines();
    let sent: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("│ ")).collect();
    let writes = |between: [&str; 2]| -> Vec<String> {
        let place = |heading| lines.iter().position(|line| line == heading).expect("a heading");
        let part = &lines[place(between[0])..place(between[1])];
        let words = |line: &String| line.split(' ').take(4).collect::<Vec<_>>().join(" ");
        let is_write = |line: &&String| {
            ["│ INSERT", "│ UPDATE", "│ DELETE"]
                .iter()
                .any(|verb| line.starts_with(verb))
        };
        part.iter().filter(is_write).map(words).collect()
    };
    let first = writes(["Authors and books, none of which has a key yet", "What is there"]);
    assert_eq!(
        first,
        [
            "│ INSERT INTO authors",
            "│ INSERT INTO authors",
            "│ INSERT INTO books",
            "│ INSERT INTO books",
            "│ INSERT INTO books",
            "│ UPDATE authors SET",
        ]
    );
    let last = writes(["An author leaves, and her books with her", "In the evening"]);
    assert_eq!(
        last,
        [
            "│ UPDATE loans SET",
            "│ UPDATE loans SET",
            "│ DELETE FROM books",
            "│ DELETE FROM authors"
        ]
    );
    assert_eq!(sent.iter().filter(|line| line.starts_with("ROLLBACK TO")).count(), 1);
}

/// README.md shows parts of the source and of what is printed; this keeps it from showing others.
#[test]
fn the_readme_shows_lines_that_are_there() {
    let sources = [
        include_str!("main.rs"),
        include_str!("models.rs"),
        include_str!("desk.rs"),
    ];
    let told = open(&options(false), Told::default()).expect("nothing goes wrong but what is meant to");
    let (mut code, mut output) = (0, 0);
    for block in include_str!("README.md").split("```").skip(1).step_by(2) {
        let (kind, text) = block.split_once('\n').expect("a block has a kind");
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let is_there = match kind {
                "rust" => {
                    code += 1;
                    sources
                        .iter()
                        .any(|source| source.lines().any(|other| other.trim() == line))
                }
                "text" => {
                    output += 1;
                    told.lines().iter().any(|other| other.trim() == line)
                }
                _ => true,
            };
            assert!(is_there, "README.md shows what this example has not: {line}");
        }
    }
    assert!(code > 15 && output > 10, "README.md shows what it speaks of");
}

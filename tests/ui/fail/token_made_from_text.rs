// A commit token is what a transaction has written: a text becomes one by being parsed, and only if it was one.

use aludel::verify::CommitToken;

fn main() {
    let text = std::env::args().next().unwrap_or_default();
    let _ = CommitToken::from(text.as_str());
    let _: CommitToken = text.into();
    let _ = CommitToken { id: 7, ..CommitToken::default() };
}

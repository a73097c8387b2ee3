// A text that a token has written is that token, and any other is none.

use aludel::verify::CommitToken;

fn main() -> aludel::Result<()> {
    let text = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000-4711---";
    let token: CommitToken = text.parse()?;
    assert_eq!(token.to_string(), text);
    assert!("paid".parse::<CommitToken>().is_err());
    Ok(())
}

//! The name of one COMMIT.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};

/// By what it is known whether one transaction was committed: kept by whoever must find out later.
///
/// It is small, has no secrets and nothing of the user's in it, and can be written down: [`Display`](fmt::Display) and
/// [`FromStr`] are each other's inverse, and with the feature `serde` it is that text in every format.
///
/// Inside are 128 random bits, the table's identity, the time of its making by the server's clock, the number of the
/// connection that wrote it, and on PostgreSQL the transaction's own number with server and timeline.
///
/// ```
/// use aludel_core::verify::CommitToken;
///
/// let text = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000-4711---";
/// let token: CommitToken = text.parse()?;
/// assert_eq!(token.to_string(), text);
/// assert_eq!(token.backend(), Some(4711));
/// assert!("17".parse::<CommitToken>().is_err());
/// # Ok::<(), aludel_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitToken {
    id: u128,
    recorded: Recorded,
}

/// What the server said when the token was written.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The table's identity.
    pub table: u64,
    /// Microseconds since 1970, by the server's clock.
    pub created_at: i64,
    /// The number by which the server knows the connection.
    pub backend: Option<i64>,
    /// Which server that was, where servers can be told apart.
    pub server: Option<u64>,
    /// The transaction's own number.
    pub transaction: Option<ServerTransactionId>,
}

/// A transaction of PostgreSQL's, by its number on one timeline.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerTransactionId {
    /// 64 bits, so that it never comes again.
    pub xid: u64,
    /// The server's history, which forks when a standby takes over.
    pub timeline: u32,
}

impl CommitToken {
    #[doc(hidden)]
    pub fn new(id: u128, recorded: Recorded) -> Self {
        Self { id, recorded }
    }

    /// When it was written, since 1970, by the server's clock.
    pub fn created_at(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.recorded.created_at).unwrap_or(0))
    }

    /// The number by which the server knew the connection that wrote it; none on SQLite.
    pub fn backend(&self) -> Option<i64> {
        self.recorded.backend
    }

    /// The random part, which is the primary key of its row.
    ///
    /// ```
    /// use aludel_core::verify::CommitToken;
    ///
    /// let token: CommitToken = "1-000102030405060708090a0b0c0d0e0f-00112233aabbccdd-1700000000000000----".parse()?;
    /// assert_eq!(token.key(), "000102030405060708090a0b0c0d0e0f"); // SELECT outcome FROM aludel_commits WHERE token = ..
    /// # Ok::<(), aludel_core::Error>(())
    /// ```
    pub fn key(&self) -> String {
        Self::key_of(self.id)
    }

    #[doc(hidden)]
    pub fn key_of(id: u128) -> String {
        format!("{id:032x}")
    }

    #[doc(hidden)]
    pub fn id(&self) -> u128 {
        self.id
    }

    #[doc(hidden)]
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }
}

/// The form of the text; another one would begin with another number.
const FORM: &str = "1";

impl fmt::Display for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recorded {
            table,
            created_at,
            backend,
            server,
            transaction,
        } = self.recorded;
        write!(f, "{FORM}-{:032x}-{table:016x}-{created_at}-", self.id)?;
        if let Some(backend) = backend {
            write!(f, "{backend}")?;
        }
        f.write_str("-")?;
        if let Some(server) = server {
            write!(f, "{server}")?;
        }
        match transaction {
            Some(ServerTransactionId { xid, timeline }) => write!(f, "-{xid}-{timeline}"),
            None => f.write_str("--"),
        }
    }
}

impl FromStr for CommitToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::misuse(
                "this is no commit token: it must be a text that CommitToken's Display has written, whole and unchanged",
            )
        })
    }
}

fn parse(text: &str) -> Option<CommitToken> {
    let parts: Vec<&str> = text.split('-').collect();
    let [form, id, table, created_at, backend, server, xid, timeline] = parts.try_into().ok()?;
    let transaction = match (xid, timeline) {
        ("", "") => None,
        (xid, timeline) => Some(ServerTransactionId {
            xid: xid.parse().ok()?,
            timeline: timeline.parse().ok()?,
        }),
    };
    let token = CommitToken {
        id: u128::from_str_radix(id, 16).ok()?,
        recorded: Recorded {
            table: u64::from_str_radix(table, 16).ok()?,
            created_at: created_at.parse().ok()?,
            backend: optional(backend).ok()?,
            server: optional(server).ok()?,
            transaction,
        },
    };
    // One token has one text: no signs, no other case, no leading zeros.
    (form == FORM && token.to_string() == text).then_some(token)
}

fn optional<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    (!text.is_empty()).then(|| text.parse()).transpose()
}

impl fmt::Debug for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitToken({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for CommitToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CommitToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = CommitToken;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a commit token as text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CommitToken, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> CommitToken {
        CommitToken::new(
            7,
            Recorded {
                table: 0xabc,
                created_at: 1_700_000_000_000_001,
                backend: Some(12),
                server: Some(u64::MAX),
                transaction: Some(ServerTransactionId { xid: 99, timeline: 2 }),
            },
        )
    }

    #[test]
    fn a_text_is_a_token_and_the_other_way_round() {
        let token = full();
        let text = token.to_string();
        assert_eq!(
            text,
            "1-00000000000000000000000000000007-0000000000000abc-1700000000000001-12-18446744073709551615-99-2"
        );
        assert_eq!(text.parse::<CommitToken>().unwrap(), token);
        assert_eq!(token.created_at(), Duration::from_micros(1_700_000_000_000_001));
    }

    #[test]
    fn whatever_is_not_exactly_a_token_is_refused() {
        let text = full().to_string();
        for wrong in [
            String::new(),
            text.replace("1-0", "2-0"),
            text.replace("abc", "ABC"),
            text.replace("-12-", "-+12-"),
            text.replace("-99-2", "-99-"),
            format!("{text}-"),
            format!(" {text}"),
            text[..text.len() - 2].to_owned(),
        ] {
            assert!(wrong.parse::<CommitToken>().is_err(), "{wrong}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_knows_the_text_and_nothing_else() {
        use serde::Deserialize as _;
        use serde::de::IntoDeserializer as _;
        use serde::de::value::{Error, StrDeserializer};

        let text = full().to_string();
        let read: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
        assert_eq!(CommitToken::deserialize(read).unwrap(), full());
        let wrong: StrDeserializer<'_, Error> = "x".into_deserializer();
        assert!(CommitToken::deserialize(wrong).is_err());
    }
}

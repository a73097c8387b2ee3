//! Results as text.
//!
//! The text says what it is, as Rust would write it (`()`, `7`, `"ok"`, `Some(7)`), so that what was kept as one type is not
//! read as another by accident.

use std::error::Error as StdError;

type Failure = Box<dyn StdError + Send + Sync>;

/// A result that can be kept as text and answered again, from another process and by a later version of the program.
///
/// It is implemented for `()`, `bool`, numbers, `String`, and `Option`, `Vec` and tuples of such. A handle of an object belongs
/// to its session: answer the object's key. Of a type of your own:
///
/// ```
/// use aludel::once::Replay;
///
/// #[derive(Debug, PartialEq)]
/// struct Receipt { number: u32 }
///
/// impl Replay for Receipt {
///     fn keep(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         self.number.keep()
///     }
///
///     fn replay(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(Self { number: u32::replay(text)? })
///     }
/// }
///
/// let text = Some((Receipt { number: 7 }, "paid".to_owned())).keep()?;
/// assert_eq!(Option::<(Receipt, String)>::replay(&text)?, Some((Receipt { number: 7 }, "paid".to_owned())));
/// assert!(String::replay("7").is_err()); // it was not kept as a text
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// Whatever serde can write and read, in the format of your choice:
///
/// ```
/// use aludel::once::Replay;
/// use serde::Serialize;
/// use serde::de::DeserializeOwned;
///
/// /// Answered as `Ok(Json(receipt))`.
/// struct Json<T>(T);
///
/// impl<T: Serialize + DeserializeOwned> Replay for Json<T> {
///     fn keep(&self) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///         Ok(serde_json::to_string(&self.0)?)
///     }
///
///     fn replay(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
///         // serde_json's own words repeat values.
///         serde_json::from_str(text).map(Self).map_err(|error| format!("column {}", error.column()).into())
///     }
/// }
///
/// let text = Json(vec![Some(1), None]).keep()?;
/// assert_eq!(text, "[1,null]");
/// assert_eq!(Json::<Vec<Option<i32>>>::replay(&text)?.0, [Some(1), None]);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept and answered again, which a call with an idempotency key does with its result",
    label = "not a result that can be replayed",
    note = "answer `()`, a number, a `String`, or an `Option`, `Vec` or tuple of such; of an object its key",
    note = "or implement `aludel::once::Replay` for `{Self}`; its documentation shows how, with serde as well"
)]
pub trait Replay: Sized {
    /// The result as text. It is read by [`replay`](Self::replay), maybe years later; keep old forms readable.
    ///
    /// # Errors
    ///
    /// When it cannot be written; its transaction is rolled back then.
    fn keep(&self) -> Result<String, Failure>;

    /// The result that [`keep`](Self::keep) has written.
    ///
    /// # Errors
    ///
    /// When it is none of this type. Say nothing of the text itself: it may be confidential, and the error is shown.
    fn replay(text: &str) -> Result<Self, Failure>;
}

impl Replay for () {
    fn keep(&self) -> Result<String, Failure> {
        Ok("()".to_owned())
    }

    fn replay(text: &str) -> Result<Self, Failure> {
        if text == "()" { Ok(()) } else { Err("not `()`".into()) }
    }
}

macro_rules! as_displayed {
    ($($ty:ty),+) => {
        $(
            impl Replay for $ty {
                fn keep(&self) -> Result<String, Failure> {
                    Ok(self.to_string())
                }

                fn replay(text: &str) -> Result<Self, Failure> {
                    Ok(text.parse()?)
                }
            }
        )+
    };
}

as_displayed!(
    bool, i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64
);

/// In quotes, so that it is no number; PostgreSQL takes no NUL.
impl Replay for String {
    fn keep(&self) -> Result<String, Failure> {
        Ok(format!("\"{}\"", self.replace('\\', "\\\\").replace('\0', "\\0")))
    }

    fn replay(text: &str) -> Result<Self, Failure> {
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let mut signs = quoted.ok_or("not a text in quotes")?.chars();
        let mut read = Self::new();
        while let Some(sign) = signs.next() {
            read.push(match sign {
                '\\' => match signs.next() {
                    Some('\\') => '\\',
                    Some('0') => '\0',
                    _ => return Err("an escape that there is not".into()),
                },
                sign => sign,
            });
        }
        Ok(read)
    }
}

impl<T: Replay> Replay for Option<T> {
    fn keep(&self) -> Result<String, Failure> {
        Ok(match self {
            Some(value) => format!("Some({})", value.keep()?),
            None => "None".to_owned(),
        })
    }

    fn replay(text: &str) -> Result<Self, Failure> {
        if text == "None" {
            return Ok(None);
        }
        Ok(Some(T::replay(within(text, "Some(", ")")?)?))
    }
}

impl<T: Replay> Replay for Vec<T> {
    fn keep(&self) -> Result<String, Failure> {
        let parts = self.iter().map(T::keep).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("[{}]", join(&parts)))
    }

    fn replay(text: &str) -> Result<Self, Failure> {
        split(within(text, "[", "]")?)?.into_iter().map(T::replay).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident),+))+) => {
        $(
            impl<$($name: Replay),+> Replay for ($($name,)+) {
                fn keep(&self) -> Result<String, Failure> {
                    #[expect(non_snake_case, reason = "a value under the name of its type")]
                    let ($($name,)+) = self;
                    Ok(format!("({})", join(&[$($name.keep()?),+])))
                }

                fn replay(text: &str) -> Result<Self, Failure> {
                    let parts = split(within(text, "(", ")")?)?;
                    #[expect(non_snake_case, reason = "a part under the name of its type")]
                    let [$($name),+] = parts[..] else {
                        return Err("another number of parts".into());
                    };
                    Ok(($($name::replay($name)?,)+))
                }
            }
        )+
    };
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

fn within<'a>(text: &'a str, start: &str, end: &str) -> Result<&'a str, Failure> {
    text.strip_prefix(start)
        .and_then(|text| text.strip_suffix(end))
        .ok_or_else(|| format!("not in `{start}..{end}`").into())
}

/// Each part behind its length in bytes, since there may be anything in it.
fn join(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
    parts.join(",")
}

fn split(mut text: &str) -> Result<Vec<&str>, Failure> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (length, rest) = text.split_once(':').ok_or("a part without its length")?;
        let (part, rest) = rest.split_at_checked(length.parse()?).ok_or("a part is cut off")?;
        parts.push(part);
        text = match rest.strip_prefix(',') {
            Some("") => return Err("a part is missing".into()),
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return Err("a part is longer than it says".into()),
        };
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn is_kept_as<T: Replay + Debug + PartialEq>(value: T, text: &str) {
        assert_eq!(value.keep().expect("it can be kept"), text);
        assert_eq!(T::replay(text).expect("it was kept"), value);
    }

    #[test]
    fn what_was_kept_is_read_again() {
        is_kept_as((), "()");
        is_kept_as(-7_i64, "-7");
        is_kept_as(u128::MAX, "340282366920938463463374607431768211455");
        is_kept_as(true, "true");
        is_kept_as(0.1_f64, "0.1");
        is_kept_as(String::new(), "\"\"");
        is_kept_as("a\"\\\0ä ".to_owned(), "\"a\"\\\\\\0ä \"");
        is_kept_as(None::<()>, "None");
        is_kept_as(Some(()), "Some(())");
        is_kept_as(Some(None::<i32>), "Some(None)");
        is_kept_as((1, "1:a,".to_owned()), "(1:1,6:\"1:a,\")");
        is_kept_as((vec![(1_u8,), (2,)],), "(17:[5:(1:1),5:(1:2)])");
        is_kept_as(Vec::<i32>::new(), "[]");
    }

    #[test]
    fn what_was_kept_as_another_type_is_refused() {
        fn refuses<T: Replay>(texts: &[&str]) {
            for text in texts {
                assert!(T::replay(text).is_err(), "{text} as {}", std::any::type_name::<T>());
            }
        }
        refuses::<()>(&["", "7", "None", "\"\""]);
        refuses::<i32>(&["()", "\"7\"", "Some(7)", "3000000000", "7.5"]);
        refuses::<String>(&["7", "()", "\"", "\"a\\\"", "\"\\x\"", "None"]);
        refuses::<Option<i32>>(&["7", "()", "Some()", "Some(7"]);
        refuses::<(i32, i32)>(&[
            "(1:1)",
            "(1:1,1:2,1:3)",
            "(1:1,)",
            "(1:1,2:2)",
            "(1:12,1:2)",
            "()",
            "(1)",
            "[1:1,1:2]",
        ]);
        refuses::<(String,)>(&["(2:ä\")", "(99:\"\")", "(-1:\"\")"]);
        refuses::<Vec<i32>>(&["(1:1)", "[1:1", "[x:1]"]);
    }
}

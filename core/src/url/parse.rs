//! From text to [`Url`]. The `url` crate reads URLs; what stands here is what it cannot know about databases.

use secrecy::SecretString;
use url::{ParseError, form_urlencoded};

use super::{Pieces, Url, UrlError};

/// SQLite's scheme.
pub(super) const SQLITE: &str = "sqlite";

/// SQLite's own word for a database in memory.
const MEMORY: &str = ":memory:";

/// A host that stands in while the `url` crate reads a URL whose hosts only libpq understands.
const STAND_IN: &str = "host";

pub(super) fn parse(text: &str) -> Result<Url, UrlError> {
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(UrlError::Whitespace);
    }
    if text == MEMORY {
        return sqlite(MEMORY);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
    let scheme = scheme.to_ascii_lowercase();
    if let Some((dialect, _)) = scheme.split_once('+') {
        return Err(driver(dialect));
    }
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme) {
        return Err(UrlError::NoScheme);
    }
    if rest.contains('#') {
        return Err(UrlError::Fragment);
    }
    if scheme == SQLITE {
        sqlite(rest)
    } else {
        server(&scheme, rest)
    }
}

/// SQLAlchemy's form. Only a name we know is repeated: what was typed may be anything.
fn driver(dialect: &str) -> UrlError {
    ["mysql", "mariadb", "postgresql", "postgres", SQLITE]
        .into_iter()
        .find(|known| *known == dialect)
        .map_or(UrlError::NoScheme, |plain| UrlError::Driver { plain })
}

/// `rest` is the path and perhaps a query: no authority, so nothing for the `url` crate to read but the query.
fn sqlite(rest: &str) -> Result<Url, UrlError> {
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, None), |(place, query)| (place, Some(query)));
    let first = place.split('/').next().unwrap_or_default();
    if first.split_once(':').is_some_and(|(_, behind)| behind.contains('@')) {
        return Err(UrlError::SqliteUser);
    }
    // `sqlite:////var` is how SQLAlchemy writes what is `sqlite:///var` here: the same file.
    let place = match place.trim_start_matches('/') {
        relative if relative.len() == place.len() => place,
        absolute => &place[place.len() - absolute.len() - 1..],
    };
    let place = if place == MEMORY { "" } else { place };
    let pieces = Pieces {
        scheme: SQLITE,
        username: "",
        password: None,
        place,
        path: "",
        query,
    };
    let path = decode("path", place)?;
    build(&pieces, None, None, (!path.is_empty()).then_some(path))
}

/// `rest` begins with an authority.
fn server(scheme: &str, rest: &str) -> Result<Url, UrlError> {
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    check_tail(tail)?;
    let hosts = authority.rfind('@').map_or(authority, |at| &authority[at + 1..]);
    // libpq may be given no host beside a user, or several with their ports.
    let only_libpq = (hosts.is_empty() && authority.contains('@')) || hosts.contains(',');
    let parsed = if only_libpq {
        let before = &authority[..authority.len() - hosts.len()];
        url::Url::parse(&format!("{scheme}://{before}{STAND_IN}{tail}"))
    } else {
        url::Url::parse(&format!("{scheme}://{rest}"))
    };
    let parsed = parsed.map_err(refused)?;

    let (host, port) = if only_libpq {
        if hosts.contains(|c: char| c.is_whitespace() || matches!(c, '\\' | '^' | '|' | '<' | '>' | '"')) {
            return Err(UrlError::Host);
        }
        (hosts, None)
    } else {
        (parsed.host_str().unwrap_or_default(), parsed.port())
    };
    let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let pieces = Pieces {
        scheme,
        username: parsed.username(),
        password: parsed.password().filter(|password| !password.is_empty()),
        place: &place,
        path: parsed.path(),
        query: parsed.query(),
    };
    let bare = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ipv6) if !only_libpq => ipv6,
        _ => host,
    };
    let host = decode("host", bare)?;
    let database = match pieces.path.strip_prefix('/') {
        Some(name) => Some(decode("database", name)?),
        None => None,
    };
    build(&pieces, (!host.is_empty()).then_some(host), port, database)
}

/// A raw `/` or `?` in a password moves the end of the authority into it; with digits before it the rest would even
/// pass for a port, and the password for a database.
fn check_tail(tail: &str) -> Result<(), UrlError> {
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let keys = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    if path.contains('@') || keys.into_iter().any(|key| key.contains('@')) {
        return Err(UrlError::StrayAt);
    }
    Ok(())
}

fn refused(error: ParseError) -> UrlError {
    match error {
        ParseError::InvalidPort => UrlError::Port,
        ParseError::EmptyHost
        | ParseError::IdnaError
        | ParseError::InvalidIpv4Address
        | ParseError::InvalidIpv6Address
        | ParseError::InvalidDomainCharacter => UrlError::Host,
        _ => UrlError::Unreadable,
    }
}

fn build(
    pieces: &Pieces<'_>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
) -> Result<Url, UrlError> {
    let password = pieces
        .password
        .map(|password| decode("password", password))
        .transpose()?;
    let query: Vec<(String, String)> = form_urlencoded::parse(pieces.query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    if query
        .iter()
        .any(|(key, value)| key.contains('\0') || value.contains('\0'))
    {
        return Err(UrlError::Nul { part: "query" });
    }
    Ok(Url {
        scheme: pieces.scheme.to_owned(),
        username: decode("user", pieces.username)?,
        password: password.map(SecretString::from),
        host,
        port,
        database,
        query,
        full: pieces.render(false).into(),
        shown: pieces.render(true),
    })
}

/// Undoes percent-encoding. A `%` that begins no two hexadecimal digits stands for itself, as in the URL standard.
fn decode(part: &'static str, text: &str) -> Result<String, UrlError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let escaped = if byte == b'%' {
            behind
                .split_at_checked(2)
                .and_then(|(two, behind)| Some((hex(two)?, behind)))
        } else {
            None
        };
        let (byte, behind) = escaped.unwrap_or((byte, behind));
        decoded.push(byte);
        rest = behind;
    }
    if decoded.contains(&0) {
        return Err(UrlError::Nul { part });
    }
    String::from_utf8(decoded).map_err(|_| UrlError::NotUtf8 { part })
}

fn hex(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u8::try_from(digit).ok()?)
    })
}

//! Diesel's default instrumentation, without the passwords.

use std::sync::{PoisonError, RwLock};

use diesel::connection::{
    Instrumentation, InstrumentationEvent, get_default_instrumentation, set_default_instrumentation as set_diesels,
};
use diesel::result::{ConnectionError, QueryResult};

use crate::url::Url;

type Constructor = fn() -> Option<Box<dyn Instrumentation>>;

/// What the user has set.
static CONSTRUCTOR: RwLock<Constructor> = RwLock::new(|| None);

/// Sets the instrumentation that every new Diesel connection of this process begins with, ours and others alike, as
/// `diesel::connection::set_default_instrumentation` does; but no event shows it a password: in the URL of
/// `StartEstablishConnection` and `FinishEstablishConnection` there is `***` in its place.
///
/// Diesel itself shows its default instrumentation the whole URL, and offers no way of connecting without that. While one
/// is set that was set with Diesel's own function, an engine whose URL has a password connects to PostgreSQL with a password
/// file of its own in the place of the password, and refuses to connect to MariaDB and MySQL, where there is no such way.
///
/// ```
/// use aludel_core::event::set_default_instrumentation;
/// use diesel::connection::{Instrumentation, InstrumentationEvent};
///
/// fn simple_logger() -> Option<Box<dyn Instrumentation>> {
///     Some(Box::new(|event: InstrumentationEvent<'_>| println!("{event:?}")))
/// }
///
/// set_default_instrumentation(simple_logger)?;
/// # set_default_instrumentation(|| None)?;
/// # Ok::<(), diesel::result::Error>(())
/// ```
///
/// # Errors
///
/// As Diesel's own: when a thread has panicked while it set another one.
pub fn set_default_instrumentation(default: Constructor) -> QueryResult<()> {
    *CONSTRUCTOR.write().unwrap_or_else(PoisonError::into_inner) = default;
    set_diesels(discreet)
}

/// Whether connecting now would show somebody the driver's URL.
pub(crate) fn shows_urls() -> bool {
    get_default_instrumentation().is_some_and(|instrumentation| !instrumentation.is::<Discreet>())
}

fn discreet() -> Option<Box<dyn Instrumentation>> {
    let constructor = *CONSTRUCTOR.read().unwrap_or_else(PoisonError::into_inner);
    Some(Box::new(Discreet(constructor()?)))
}

/// Passes everything on but secrets.
struct Discreet(Box<dyn Instrumentation>);

impl Instrumentation for Discreet {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => {
                let shown = shown(url);
                self.0
                    .on_connection_event(InstrumentationEvent::start_establish_connection(&shown));
            }
            InstrumentationEvent::FinishEstablishConnection { url, error, .. } => {
                let shown = shown(url);
                // libpq quotes a part of a URL that it cannot read.
                let quoted = ConnectionError::BadConnection("(the driver's words are not shown)".to_owned());
                let error = match error {
                    Some(ConnectionError::InvalidConnectionUrl(_) | ConnectionError::InvalidCString(_)) => {
                        Some(&quoted)
                    }
                    other => other,
                };
                self.0
                    .on_connection_event(InstrumentationEvent::finish_establish_connection(&shown, error));
            }
            other => self.0.on_connection_event(other),
        }
    }
}

/// A driver's URL as anybody may see it: what is no URL (libpq takes `key=value` pairs as well) is not shown at all.
fn shown(url: &str) -> String {
    if url.contains("://") {
        Url::parse(url).map_or_else(|_| "***".to_owned(), |url| url.to_string())
    } else if url.contains('=') {
        "***".to_owned()
    } else {
        url.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_url_is_shown_without_its_secrets() {
        assert_eq!(shown("postgres://app:hunter2@h/bank"), "postgres://app:***@h/bank");
        assert_eq!(
            shown("mysql://app:hunter2@host=h;port=3306;connect_timeout=2/bank"),
            "mysql://app:***@host=h;port=3306;connect_timeout=2/bank"
        );
        assert_eq!(shown("host=h user=app password=hunter2"), "***");
        assert_eq!(shown("/var/bank.db"), "/var/bank.db");
    }
}

//! A database of one test's own.

/// An empty database on one of the servers. It goes away with the server: dropping it earlier could wait for ever on a
/// lock that a broken test still holds.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres")),
        expect(dead_code, reason = "only servers make them")
    )]
    pub(crate) fn new(name: String, url: String) -> Self {
        Self { name, url }
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How to connect to it, user and password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// [`url`](Self::url) with one more parameter, e.g. `("connect_timeout", "5")`.
    pub fn url_with(&self, parameter: &str, value: &str) -> String {
        let separator = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{separator}{parameter}={value}", self.url)
    }
}

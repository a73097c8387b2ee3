//! The query of a URL: reading its lists, and making a URL with another one.

use url::form_urlencoded;

use super::{Url, UrlBuilder, UrlError};

impl Url {
    /// Every value of a key, in the order they were written (SQLAlchemy has a list where a key is repeated).
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("postgres:///bank?host=a:5432&host=b:5433")?;
    /// assert_eq!(url.query_values("host").collect::<Vec<_>>(), ["a:5432", "b:5433"]);
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    pub fn query_values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(found, _)| found == key)
            .map(|(_, value)| value.as_str())
    }

    /// A URL whose query has these pairs as well (`update_query_pairs` in SQLAlchemy). A key that is there already loses
    /// its values, unless `append` keeps them and puts the new ones behind. This URL stays as it is.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("postgres:///bank?host=a&sslmode=require")?;
    /// let one = url.update_query_pairs([("host", "b"), ("connect_timeout", "5")], false)?;
    /// assert_eq!(one.to_string(), "postgres:///bank?sslmode=require&host=b&connect_timeout=5");
    /// let both = url.update_query_pairs([("host", "b")], true)?;
    /// assert_eq!(both.to_string(), "postgres:///bank?host=a&sslmode=require&host=b");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a key or a value cannot stand in a URL: one with a zero byte.
    pub fn update_query_pairs<K: Into<String>, V: Into<String>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
        append: bool,
    ) -> Result<Self, UrlError> {
        let new: Vec<(String, String)> = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let kept = self
            .query
            .iter()
            .filter(|(key, _)| append || !new.iter().any(|(replaced, _)| replaced == key))
            .cloned();
        let query: Vec<(String, String)> = kept.chain(new.iter().cloned()).collect();
        UrlBuilder::of(self).query(query).build()
    }

    /// [`update_query_pairs`](Self::update_query_pairs) with a list of values for each key, as a map has them.
    ///
    /// ```
    /// use aludel_core::Url;
    /// use std::collections::BTreeMap;
    ///
    /// let hosts = BTreeMap::from([("host", vec!["a:5432", "b:5433"])]);
    /// let url = Url::parse("postgres:///bank")?.update_query_dict(hosts, false)?;
    /// assert_eq!(url.to_string(), "postgres:///bank?host=a:5432&host=b:5433");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`update_query_pairs`](Self::update_query_pairs).
    pub fn update_query_dict<K, V, L>(
        &self,
        lists: impl IntoIterator<Item = (K, L)>,
        append: bool,
    ) -> Result<Self, UrlError>
    where
        K: Into<String>,
        V: Into<String>,
        L: IntoIterator<Item = V>,
    {
        let mut pairs = Vec::new();
        for (key, values) in lists {
            let key: String = key.into();
            pairs.extend(values.into_iter().map(|value| (key.clone(), value.into())));
        }
        self.update_query_pairs(pairs, append)
    }

    /// [`update_query_pairs`](Self::update_query_pairs) with the text of a query, as it would be written in a URL.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("mysql://h/bank")?.update_query_string("connect_timeout=5&ssl_mode=required", false)?;
    /// assert_eq!(url.to_string(), "mysql://h/bank?connect_timeout=5&ssl_mode=required");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`update_query_pairs`](Self::update_query_pairs).
    pub fn update_query_string(&self, query: &str, append: bool) -> Result<Self, UrlError> {
        self.update_query_pairs(form_urlencoded::parse(query.as_bytes()).into_owned(), append)
    }

    /// A URL without these keys in its query (`difference_update_query` in SQLAlchemy). Those that are not there do not
    /// matter.
    ///
    /// ```
    /// use aludel_core::Url;
    ///
    /// let url = Url::parse("mysql://h/bank?connect_timeout=5&ssl_mode=required")?;
    /// assert_eq!(url.difference_update_query(["ssl_mode", "ssl_ca"])?.to_string(), "mysql://h/bank?connect_timeout=5");
    /// # Ok::<(), aludel_core::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// None that is known: what was read can be written again.
    pub fn difference_update_query<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Self, UrlError> {
        let gone: Vec<K> = keys.into_iter().collect();
        let kept = self
            .query
            .iter()
            .filter(|(key, _)| !gone.iter().any(|gone| gone.as_ref() == key))
            .cloned();
        UrlBuilder::of(self).query(kept).build()
    }
}

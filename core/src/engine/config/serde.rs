//! Reading and writing an [`EngineConfig`] in whatever format.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::{CONNECT_ARGS, EngineConfig, Value};

/// Takes any names and any plain values, and a text alone as the URL; what is wrong with them is told by
/// [`EngineConfig::builder`], without showing it. An error of the format's would show it.
impl<'de> Deserialize<'de> for EngineConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = EngineConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with the options of an engine")
            }

            fn visit_str<E>(self, url: &str) -> Result<EngineConfig, E> {
                Ok(EngineConfig::new().set("url", url))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EngineConfig, A::Error> {
                let mut config = EngineConfig::new();
                while let Some((name, node)) = map.next_entry::<String, Node>()? {
                    match node {
                        Node::Nothing => {}
                        Node::Text(text) => config.put(&name, Value::Text(text.into())),
                        Node::Table(arguments) if format!("{name}.") == CONNECT_ARGS => {
                            for (argument, node) in arguments {
                                let name = format!("{CONNECT_ARGS}{argument}");
                                match node {
                                    Node::Nothing => {}
                                    Node::Text(text) => config.put(&name, Value::Text(text.into())),
                                    _ => config.put(&name, Value::Unreadable(ONE_VALUE)),
                                }
                            }
                        }
                        Node::Table(_) | Node::List => config.put(&name, Value::Unreadable(ONE_VALUE)),
                    }
                }
                Ok(config)
            }
        }

        deserializer.deserialize_any(Table)
    }
}

/// Writes the options that are no secrets, `connect_args` as a table of its own.
impl Serialize for EngineConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (arguments, options): (Vec<_>, Vec<_>) = self.shown().partition(|(name, _)| name.starts_with(CONNECT_ARGS));
        let mut map = serializer.serialize_map(Some(options.len() + usize::from(!arguments.is_empty())))?;
        for (name, text) in options {
            map.serialize_entry(name, &Plain(&text))?;
        }
        if !arguments.is_empty() {
            map.serialize_entry(CONNECT_ARGS.trim_end_matches('.'), &Arguments(&arguments))?;
        }
        map.end()
    }
}

const ONE_VALUE: &str = "it must be one text, number or boolean";

/// A value of a table, as text.
enum Node {
    Nothing,
    Text(String),
    Table(Vec<(String, Node)>),
    List,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Text(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Text(value.to_owned()))
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Nothing)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Nothing)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut table = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    table.push(entry);
                }
                Ok(Node::Table(table))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// A text that is written as the number or boolean that it is.
struct Plain<'a>(&'a str);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0.parse::<i64>(), self.0.parse::<bool>()) {
            (Ok(number), _) if number.to_string() == self.0 => serializer.serialize_i64(number),
            (_, Ok(switch)) => serializer.serialize_bool(switch),
            _ => serializer.serialize_str(self.0),
        }
    }
}

struct Arguments<'a>(&'a [(&'a str, String)]);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in self.0 {
            map.serialize_entry(name.strip_prefix(CONNECT_ARGS).unwrap_or(name), &Plain(text))?;
        }
        map.end()
    }
}

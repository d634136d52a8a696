//! `valuesFrom`: values that a HelmRelease takes from ConfigMaps and Secrets, composed as Flux does it.
//!
//! A whole file of values is merged over what came before. A single value, for a target path, goes in after the inline
//! values have been merged, and those are merged once more in the end. Tables and lists that only one side has are
//! shared and not copied: that is why a single value may win over an inline one, and sometimes does not.

use gotmpl::{Map, Value};

use crate::values;
use crate::values::strvals::{self, StrvalsError};

/// The key of a whole file of values.
pub const DEFAULT_KEY: &str = "values.yaml";

/// A reference to values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValuesReference {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Key of the values; empty means [`DEFAULT_KEY`].
    pub key: String,
    /// Where a single value goes; empty for a whole file of values.
    pub target_path: String,
    /// Whether the single value is taken as it is.
    pub literal: bool,
    /// Whether the object or the key may be missing.
    pub optional: bool,
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referenced<'d> {
    /// The text under the key.
    Data(&'d [u8]),
    /// The object does not exist; with what the API server says to that, if it was asked for this reference.
    NoObject(Option<&'d str>),
    /// The object has no such key.
    NoKey,
}

/// Why values cannot be composed.
#[derive(Debug, thiserror::Error)]
#[error(
    "could not resolve{} {} chart values reference '{}/{}' with key '{}': {reason}",
    if .reference.optional { " optional" } else { "" },
    .reference.kind, .reference.namespace, .reference.name, .reference.key()
)]
pub struct ValuesFromError {
    /// The reference.
    pub reference: Box<ValuesReference>,
    /// What is wrong with it; that it is optional does not excuse everything.
    pub reason: Reason,
}

/// What is wrong with a reference to values, in Flux's words.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The object does not exist.
    #[error("resource not found")]
    NoObject,
    /// The object does not exist, as the API server says.
    #[error("{0}")]
    NotFound(String),
    /// The object has no such key.
    #[error("key not found")]
    NoKey,
    /// The kind is neither ConfigMap nor Secret.
    #[error("unsupported values reference kind")]
    Kind,
    /// The text is not YAML.
    #[error("{0}")]
    Yaml(#[source] go_yaml::Error),
    /// The text holds no table.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {0} into Go value of type common.Values"
    )]
    NotTable(&'static str),
    /// The target path cannot be followed, or the value not be read.
    #[error("{0}")]
    Path(#[from] StrvalsError),
}

/// Values that are being composed, reference by reference.
#[derive(Debug)]
pub struct Composition {
    inline: Map,
    values: Map,
}

impl Composition {
    /// Begins with the inline values of a HelmRelease, which are changed on the way and must not be used otherwise.
    pub fn new(inline: Map) -> Self {
        Self {
            inline,
            values: Map::new(),
        }
    }

    /// Adds what the next reference leads to; returns why it is left out, if it is and may be.
    ///
    /// # Errors
    /// See [`Reason`].
    pub fn add(
        &mut self,
        reference: &ValuesReference,
        referenced: Referenced<'_>,
    ) -> Result<Option<ValuesFromError>, ValuesFromError> {
        let data = match referenced {
            Referenced::Data(data) => data,
            missing => {
                let error = reference.fails(match missing {
                    Referenced::NoObject(Some(answer)) => Reason::NotFound(answer.to_owned()),
                    Referenced::NoObject(None) => Reason::NoObject,
                    Referenced::Data(_) | Referenced::NoKey => Reason::NoKey,
                });
                return if reference.optional {
                    Ok(Some(error))
                } else {
                    Err(error)
                };
            }
        };
        if reference.target_path.is_empty() {
            let table = table(data).map_err(|reason| reference.fails(reason))?;
            self.values = values::merge(&self.values, &table);
        } else {
            self.values = values::merge(&self.values, &self.inline);
            set(&self.values, reference, &text(data)).map_err(|error| reference.fails(error.into()))?;
        }
        Ok(None)
    }

    /// Ends with the inline values, which win.
    pub fn finish(self) -> Map {
        values::merge(&self.values, &self.inline)
    }
}

impl ValuesReference {
    /// The key that is meant.
    pub fn key(&self) -> &str {
        if self.key.is_empty() {
            DEFAULT_KEY
        } else {
            &self.key
        }
    }

    /// Fails if there can be no object of the kind.
    ///
    /// # Errors
    /// The kind is neither ConfigMap nor Secret.
    pub fn check_kind(&self) -> Result<(), ValuesFromError> {
        match self.kind.as_str() {
            "ConfigMap" | "Secret" => Ok(()),
            _ => Err(self.fails(Reason::Kind)),
        }
    }

    fn fails(&self, reason: Reason) -> ValuesFromError {
        ValuesFromError {
            reference: Box::new(self.clone()),
            reason,
        }
    }
}

/// Reads a file of values: the first document, which may be empty.
fn table(text: &[u8]) -> Result<Map, Reason> {
    match sprig::from_yaml(text).map_err(Reason::Yaml)? {
        Value::Map(table) => Ok(table),
        Value::Nil => Ok(Map::new()),
        Value::List(_) => Err(Reason::NotTable("array")),
        Value::Str(_) => Err(Reason::NotTable("string")),
        Value::Bool(_) => Err(Reason::NotTable("bool")),
        _ => Err(Reason::NotTable("number")),
    }
}

/// Text as Go reads it rune by rune: each byte that is none becomes a replacement character.
fn text(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len());
    for chunk in data.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Writes a single value, in the grammar of `helm --set`; one in quotes stays text.
fn set(values: &Map, reference: &ValuesReference, value: &str) -> Result<(), StrvalsError> {
    let path = &reference.target_path;
    if reference.literal {
        let escaped: String = value.chars().flat_map(escape).collect();
        return strvals::set_string(&format!("{path}={escaped}"), values);
    }
    let is_in = |quote: char| value.starts_with(quote) && value.ends_with(quote);
    if is_in('\'') || is_in('"') {
        let value = value.trim_matches(['\'', '"']);
        return strvals::set_string(&format!("{path}={value}"), values);
    }
    strvals::set(&format!("{path}={value}"), values)
}

/// Escapes what would mean something; `=` does not, once the path is over.
fn escape(c: char) -> impl Iterator<Item = char> {
    let escaped = matches!(c, '\\' | ',' | '[' | ']' | '{' | '}');
    escaped.then_some('\\').into_iter().chain([c])
}

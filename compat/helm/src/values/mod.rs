//! Values: reading them, and merging the files that a user gives.

pub mod strvals;

use std::borrow::Cow;

use gotmpl::{List, Map, Value};
use serde_json::Value as Json;

/// YAML that does not hold values.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// Text follows a document separator on its line.
    #[error("error reading yaml document: invalid Yaml document separator: {0}")]
    Separator(String),
    /// A document is not valid YAML.
    #[error("cannot unmarshal yaml document: {0}")]
    Yaml(#[source] go_yaml::Error),
    /// A document is not a table.
    #[error(
        "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {0} into Go value of type map[string]interface {{}}"
    )]
    NotTable(&'static str),
}

/// Reads values: the tables of all YAML documents, later ones over earlier ones. Every number becomes a float.
pub fn read(text: &[u8]) -> Result<Map, ValuesError> {
    let mut values = Map::new();
    for document in documents(text) {
        let table = match sprig::from_yaml(&document?).map_err(ValuesError::Yaml)? {
            Value::Map(table) => table,
            Value::Nil => continue,
            Value::List(_) => return Err(ValuesError::NotTable("array")),
            Value::Str(_) => return Err(ValuesError::NotTable("string")),
            Value::Bool(_) => return Err(ValuesError::NotTable("bool")),
            _ => return Err(ValuesError::NotTable("number")),
        };
        values = if values.is_empty() {
            table
        } else {
            merge(&values, &table)
        };
    }
    Ok(values)
}

/// Splits a stream into documents as Kubernetes' YAML reader does: lines end in LF, and a separator that nothing
/// precedes belongs to the document after it.
fn documents(text: &[u8]) -> impl Iterator<Item = Result<Cow<'_, [u8]>, ValuesError>> {
    let only_one = !text.starts_with(b"---")
        && memchr::memmem::find(text, b"\n---").is_none()
        && memchr::memchr(b'\r', text).is_none()
        && text.ends_with(b"\n");
    let whole = only_one.then_some(Ok(Cow::Borrowed(text)));
    let parts = if only_one { &[] } else { text };
    whole
        .into_iter()
        .chain(split_documents(parts).map(|part| part.map(Cow::Owned)))
}

fn split_documents(text: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, ValuesError>> {
    let mut lines = text.split_inclusive(|b| *b == b'\n');
    std::iter::from_fn(move || {
        let mut document = Vec::new();
        for line in lines.by_ref() {
            let line = line
                .strip_suffix(b"\n")
                .map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
            if let Some(after) = line.strip_prefix(b"---") {
                let after = after.trim_ascii();
                if !after.is_empty() && after.first() != Some(&b'#') {
                    return Some(Err(ValuesError::Separator(
                        String::from_utf8_lossy(after).into_owned(),
                    )));
                }
                if !document.is_empty() {
                    return Some(Ok(document));
                }
            }
            document.extend_from_slice(line);
            document.push(b'\n');
        }
        (!document.is_empty()).then_some(Ok(document))
    })
}

/// Merges two tables into a new one: tables merge, all else of `over` replaces.
///
/// What only one side has is shared with it, not copied, as in Helm.
#[must_use]
pub fn merge(base: &Map, over: &Map) -> Map {
    let merged: Map = base
        .entries()
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for (key, value) in over.entries().iter() {
        let value = match (value, merged.get(key)) {
            (Value::Map(over), Some(Value::Map(base))) => merge(&base, over).into(),
            _ => value.clone(),
        };
        insert(&merged, key.clone(), value);
    }
    merged
}

/// How many items tables and lists hold, one in another.
pub(crate) fn items(table: &Map) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::Map(table) => 1 + items(table),
            Value::List(list) => 1 + list.items().map(|item| of(&item)).sum::<usize>(),
            _ => 1,
        }
    }
    table.entries().values().map(of).sum()
}

/// Sets an entry of a table that is known to exist.
pub(crate) fn insert(table: &Map, key: impl Into<gotmpl::Str>, value: Value) {
    // Only the nil map refuses, and values never hold one.
    let _ = table.insert(key, value);
}

/// Turns JSON into values: every number becomes a float, as `encoding/json` makes of numbers in `any`.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => items.iter().map(from_json).collect::<List>().into(),
        Json::Object(entries) => entries
            .iter()
            .map(|(k, v)| (k.as_str(), from_json(v)))
            .collect::<Map>()
            .into(),
    }
}

//! The values of an expression: what JSON has, and what CEL adds to it.
//!
//! The objects that expressions are about are not copied: lists and maps of theirs are borrowed as they are.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::time::Timestamp;

/// A value, which may borrow from the object that the expression is about.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Text<'a>),
    Bytes(Arc<[u8]>),
    List(List<'a>),
    Map(Map<'a>),
    Timestamp(Timestamp),
    /// Nanoseconds.
    Duration(i64),
    Optional(Option<Arc<Value<'a>>>),
    /// A type, by its name at run time.
    Type(&'static str),
}

/// A text, of the object or made.
#[derive(Clone, Debug)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Made(Arc<str>),
}

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Made(text) => text,
        }
    }
}

/// A list, of the object or made.
#[derive(Clone, Debug)]
pub(crate) enum List<'a> {
    Borrowed(&'a [Json]),
    Made(Arc<Vec<Value<'a>>>),
}

impl<'a> List<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            List::Borrowed(items) => items.len(),
            List::Made(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<Value<'a>> {
        match self {
            List::Borrowed(items) => items.get(index).map(Value::from),
            List::Made(items) => items.get(index).cloned(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Value<'a>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(crate) fn contains(&self, value: &Value<'a>) -> bool {
        self.iter().any(|item| value.equals(&item))
    }
}

/// A map, of the object or made.
#[derive(Clone, Debug)]
pub(crate) enum Map<'a> {
    Borrowed(&'a serde_json::Map<String, Json>),
    /// No two keys are the same key.
    Made(Arc<Vec<(Value<'a>, Value<'a>)>>),
}

impl<'a> Map<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Map::Borrowed(fields) => fields.len(),
            Map::Made(entries) => entries.len(),
        }
    }

    /// The value under a key, or under the same number of another type.
    pub(crate) fn get(&self, key: &Value<'_>) -> Option<Value<'a>> {
        match self {
            Map::Borrowed(fields) => match key {
                Value::String(text) => fields.get(text.as_str()).map(Value::from),
                _ => None,
            },
            Map::Made(entries) => {
                let find = |key: &Value<'_>| {
                    entries
                        .iter()
                        .find(|(own, _)| own.is_same_key(key))
                        .map(|(_, value)| value.clone())
                };
                find(key).or_else(|| match *key {
                    Value::Double(number) => lossless_int(number)
                        .and_then(|number| find(&Value::Int(number)))
                        .or_else(|| lossless_uint(number).and_then(|number| find(&Value::Uint(number)))),
                    Value::Int(number) => u64::try_from(number)
                        .ok()
                        .and_then(|number| find(&Value::Uint(number))),
                    Value::Uint(number) => i64::try_from(number)
                        .ok()
                        .and_then(|number| find(&Value::Int(number))),
                    _ => None,
                })
            }
        }
    }

    pub(crate) fn keys(&self) -> Vec<Value<'a>> {
        match self {
            Map::Borrowed(fields) => fields
                .keys()
                .map(|key| Value::String(Text::Borrowed(key)))
                .collect(),
            Map::Made(entries) => entries.iter().map(|(key, _)| key.clone()).collect(),
        }
    }

    pub(crate) fn entries(&self) -> Vec<(Value<'a>, Value<'a>)> {
        match self {
            Map::Borrowed(fields) => fields
                .iter()
                .map(|(key, value)| (Value::String(Text::Borrowed(key)), Value::from(value)))
                .collect(),
            Map::Made(entries) => entries.to_vec(),
        }
    }
}

impl<'a> From<&'a Json> for Value<'a> {
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            // As Kubernetes reads JSON: an integer that does not fit is a float.
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(Text::Borrowed(text)),
            Json::Array(items) => Value::List(List::Borrowed(items)),
            Json::Object(fields) => Value::Map(Map::Borrowed(fields)),
        }
    }
}

impl From<&str> for Value<'_> {
    fn from(text: &str) -> Self {
        Value::String(Text::Made(Arc::from(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::String(Text::Made(Arc::from(text)))
    }
}

impl<'a> Value<'a> {
    pub(crate) fn list(items: Vec<Value<'a>>) -> Self {
        Value::List(List::Made(Arc::new(items)))
    }

    pub(crate) fn optional(value: Value<'a>) -> Self {
        Value::Optional(Some(Arc::new(value)))
    }

    /// The name of the type at run time.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
        }
    }

    /// The name of the Go type that stands for the value, which some messages show.
    pub(crate) fn go_type_name(&self) -> &'static str {
        match self {
            Value::Null => "types.Null",
            Value::Bool(_) => "types.Bool",
            Value::Int(_) => "types.Int",
            Value::Uint(_) => "types.Uint",
            Value::Double(_) => "types.Double",
            Value::String(_) => "types.String",
            Value::Bytes(_) => "types.Bytes",
            Value::List(_) => "*types.baseList",
            Value::Map(_) => "*types.baseMap",
            Value::Timestamp(_) => "types.Timestamp",
            Value::Duration(_) => "types.Duration",
            Value::Optional(_) => "*types.Optional",
            Value::Type(_) => "*types.Type",
        }
    }

    /// The name of the Go type of what was selected, which is not CEL's where it is the object's own.
    pub(crate) fn native_type_name(&self) -> &'static str {
        match self {
            Value::Null => "<nil>",
            Value::List(List::Borrowed(_)) => "[]interface {}",
            Value::Map(Map::Borrowed(_)) => "map[string]interface {}",
            _ => self.go_type_name(),
        }
    }

    /// Whether `optional.ofNonZeroValue` makes nothing of it.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Bool(truth) => !truth,
            Value::Int(number) | Value::Duration(number) => *number == 0,
            Value::Uint(number) => *number == 0,
            Value::Double(number) => *number == 0.0,
            Value::String(text) => text.as_str().is_empty(),
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::List(list) => list.len() == 0,
            Value::Map(map) => map.len() == 0,
            Value::Timestamp(time) => time.is_zero(),
            Value::Optional(_) | Value::Type(_) => false,
        }
    }

    /// Whether both are one key of a map that an expression makes; numbers of different types are not.
    pub(crate) fn is_same_key(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) | (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Uint(a), Value::Uint(b)) => a == b,
            (Value::Double(a), Value::Double(b)) => a == b,
            (Value::String(a), Value::String(b)) => a.as_str() == b.as_str(),
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Type(a), Value::Type(b)) => a == b,
            _ => false,
        }
    }

    /// About how many bytes the value itself takes, for the budget.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Value::String(text) => text.as_str().len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => list.len(),
            Value::Map(map) => map.len(),
            _ => 1,
        }
    }
}

/// The integer that a float is, if it is one.
pub(crate) fn lossless_int(number: f64) -> Option<i64> {
    double_to_int(number).filter(|whole| *whole as f64 == number)
}

/// The unsigned integer that a float is, if it is one.
pub(crate) fn lossless_uint(number: f64) -> Option<u64> {
    double_to_uint(number).filter(|whole| *whole as f64 == number)
}

/// The float without its fraction, if it fits.
pub(crate) fn double_to_int(number: f64) -> Option<i64> {
    (number > i64::MIN as f64 && number < i64::MAX as f64).then_some(number as i64)
}

/// The float without its fraction, if it fits.
pub(crate) fn double_to_uint(number: f64) -> Option<u64> {
    (number >= 0.0 && number < u64::MAX as f64).then_some(number as u64)
}

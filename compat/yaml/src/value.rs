//! The untyped value between a tree and JSON.

use compact_str::CompactString;
use go_std::float;

use crate::Error;
use crate::resolve::{Scalar, resolve_plain};
use crate::scanner::Flavor;

/// What Go's `interface{}` holds after decoding, with map keys already made strings.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Str(CompactString),
    Seq(Vec<Value>),
    Map(Map),
}

/// Pairs sorted bytewise by key, each key once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Map(Vec<(CompactString, Value)>);

impl Map {
    /// Sorts the pairs; of those with the same key the last stays.
    pub(crate) fn last_wins(mut pairs: Vec<(CompactString, Value)>) -> Self {
        let sorted = pairs.is_sorted_by(|(a, _), (b, _)| a < b);
        if !sorted {
            pairs.reverse();
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            pairs.dedup_by(|(a, _), (b, _)| a == b);
        }
        Self(pairs)
    }

    /// Sorts the pairs; `None` if a key is there twice.
    pub(crate) fn unique(mut pairs: Vec<(CompactString, Value)>) -> Option<Self> {
        if !pairs.is_sorted_by(|(a, _), (b, _)| a < b) {
            pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        }
        pairs.is_sorted_by(|(a, _), (b, _)| a < b).then_some(Self(pairs))
    }

    pub(crate) fn pairs_mut(&mut self) -> &mut [(CompactString, Value)] {
        &mut self.0
    }

    pub(crate) fn pairs(&self) -> &[(CompactString, Value)] {
        &self.0
    }

    pub(crate) fn into_pairs(self) -> Vec<(CompactString, Value)> {
        self.0
    }
}

impl Value {
    /// The JSON value, as encoding/json would write it; infinities and NaN have none.
    pub(crate) fn into_json(self) -> Result<serde_json::Value, Error> {
        use serde_json::Value as Json;
        Ok(match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(value),
            Self::Int(value) => Json::from(value),
            Self::Uint(value) => Json::from(value),
            Self::Float(value) => json_float(value)?,
            Self::Str(text) => Json::String(text.into_string()),
            Self::Seq(items) => {
                Json::Array(items.into_iter().map(Self::into_json).collect::<Result<_, _>>()?)
            }
            Self::Map(map) => Json::Object(
                map.into_pairs()
                    .into_iter()
                    .map(|(key, value)| Ok((key.into_string(), value.into_json()?)))
                    .collect::<Result<_, Error>>()?,
            ),
        })
    }
}

fn json_float(value: f64) -> Result<serde_json::Value, Error> {
    let number = serde_json::Number::from_f64(value).ok_or_else(|| unsupported_float(value))?;
    Ok(serde_json::Value::Number(number))
}

/// A float written as JSON and read as YAML: an integral one becomes an integer while its digits are written out and fit
/// 64 bits.
pub(crate) fn through_json(value: f64) -> Result<Value, Error> {
    let text = float::format_json(value).ok_or_else(|| unsupported_float(value))?;
    Ok(match resolve_plain(Flavor::V2, &text) {
        Scalar::Int(value) => Value::Int(value),
        Scalar::Uint(value) => Value::Uint(value),
        _ => Value::Float(value),
    })
}

pub(crate) fn unsupported_float(value: f64) -> Error {
    Error::encode(format!("json: unsupported value: {}", float::format_g(value)))
}

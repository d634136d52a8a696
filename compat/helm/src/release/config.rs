//! The values that a release was given.

use gotmpl::{Map as Values, Value};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value as Json};

use crate::json;

/// The largest whole number up to which a float tells all of them apart.
const MAX_EXACT: u64 = 1 << 53;

/// Turns values into what a record keeps.
pub fn from_values(values: &Values) -> Result<Map<String, Json>, serde_json::Error> {
    match serde_json::to_value(Value::from(values.clone()))? {
        Json::Object(entries) => Ok(entries),
        _ => Ok(Map::new()),
    }
}

/// Reads the values in a record; null is none.
pub(crate) fn read(text: Option<&RawValue>) -> Result<Map<String, Json>, serde_json::Error> {
    let text = text.map_or("null", RawValue::get);
    match json::first_value("config", text.as_bytes()).map_err(serde_json::Error::custom)? {
        Json::Null => Ok(Map::new()),
        Json::Object(mut entries) => {
            entries.values_mut().for_each(to_floats);
            Ok(entries)
        }
        _ => Err(serde_json::Error::custom("the values are not an object")),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Json>, D::Error> {
    let text = Option::<Box<RawValue>>::deserialize(deserializer)?;
    read(text.as_deref()).map_err(D::Error::custom)
}

/// Makes numbers those that Go reads, which are floats; whole ones that a float tells apart stay as they are.
pub(super) fn to_floats(value: &mut Json) {
    match value {
        Json::Number(number) => {
            let magnitude = number
                .as_u64()
                .or_else(|| number.as_i64().map(i64::unsigned_abs))
                .unwrap_or_default();
            if magnitude > MAX_EXACT {
                let float = number.as_f64().and_then(Number::from_f64);
                *number = float.unwrap_or_else(|| number.clone());
            }
        }
        Json::Array(items) => items.iter_mut().for_each(to_floats),
        Json::Object(entries) => entries.values_mut().for_each(to_floats),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}

/// Whether [`to_floats`] would change the value.
pub(super) fn has_large_numbers(value: &Json) -> bool {
    match value {
        Json::Number(number) => {
            number.as_u64().is_some_and(|number| number > MAX_EXACT)
                || number
                    .as_i64()
                    .is_some_and(|number| number.unsigned_abs() > MAX_EXACT)
        }
        Json::Array(items) => items.iter().any(has_large_numbers),
        Json::Object(entries) => entries.values().any(has_large_numbers),
        Json::Null | Json::Bool(_) | Json::String(_) => false,
    }
}

//! Typed records from JSON values, with the rules and the messages of Go's `encoding/json`.
//!
//! ```
//! use go_std::go_record;
//! use go_std::record::Decoder;
//! use serde_json::json;
//!
//! #[derive(Default)]
//! struct Port {
//!     name: String,
//!     number: i64,
//! }
//!
//! go_record!(Port = "v1.Port" {
//!     name = "name",
//!     number = "port",
//! });
//!
//! let port: Port = Decoder::strict().decode(&json!({"Name": "web", "port": 80})).unwrap();
//! assert_eq!((port.name.as_str(), port.number), ("web", 80));
//! let error = Decoder::strict().decode::<Port>(&json!({"name": ["web"]})).err().unwrap();
//! assert_eq!(
//!     error.to_string(),
//!     "json: cannot unmarshal array into Go struct field Port.name of type string"
//! );
//! ```

use std::collections::BTreeMap;

pub use serde_json::Value;

use crate::float;

/// A value that does not fit its record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What encoding/json says about it.
    #[error("{0}")]
    Misfit(String),
    /// The elements of all lists take too much memory: two letters of text can make one of some hundred bytes.
    #[error("{field}: lists of more than {max} bytes")]
    Elements {
        /// The path of the field with one too many.
        field: String,
        /// How many bytes they may take.
        max: usize,
    },
}

/// How a document is decoded, and where in it the decoder is.
#[derive(Debug)]
pub struct Decoder {
    /// Whether a field that the record does not have is an error.
    strict: bool,
    /// Whether numbers and booleans are taken where text is wanted, as `sigs.k8s.io/yaml` does for typed targets.
    coerce: bool,
    /// Go names of the records that are open, innermost last.
    records: Vec<&'static str>,
    /// Field names from the root.
    path: Vec<&'static str>,
    /// The first problem; Go goes on and reports that one in the end.
    problem: Option<Error>,
    /// Bytes that the elements of all lists take.
    bytes: usize,
}

impl Decoder {
    /// Bytes that the elements of all lists may take.
    const MAX_BYTES: usize = 32 << 20;

    /// Nothing unknown, nothing coerced.
    pub fn strict() -> Self {
        Self::new(true, false)
    }

    /// Unknown fields are ignored, scalars become text.
    pub fn lenient() -> Self {
        Self::new(false, true)
    }

    /// Nothing unknown, scalars become text.
    pub fn strict_coercing() -> Self {
        Self::new(true, true)
    }

    fn new(strict: bool, coerce: bool) -> Self {
        Self {
            strict,
            coerce,
            records: vec![],
            path: vec![],
            problem: None,
            bytes: 0,
        }
    }

    /// Counts the elements of a list that is about to be made; false if they are too many.
    fn make<T>(&mut self, elements: usize) -> bool {
        self.bytes = self.bytes.saturating_add(elements.saturating_mul(size_of::<T>()));
        let fits = self.bytes <= Self::MAX_BYTES;
        if !fits {
            self.problem = Some(Error::Elements {
                field: self.path.join("."),
                max: Self::MAX_BYTES,
            });
        }
        fits
    }

    /// Decodes a value.
    pub fn decode<T: FromGo + Default>(self, value: &Value) -> Result<T, Error> {
        self.decode_sized(value).map(|(target, _)| target)
    }

    /// Decodes a value, and tells how many bytes the elements of its lists take.
    pub fn decode_sized<T: FromGo + Default>(self, value: &Value) -> Result<(T, usize), Error> {
        let mut target = T::default();
        let bytes = self.decode_over(&mut target, value)?;
        Ok((target, bytes))
    }

    /// Decodes a value over what is there: what it does not have stays. Tells how many bytes the elements of its lists take.
    pub fn decode_over<T: FromGo>(mut self, target: &mut T, value: &Value) -> Result<usize, Error> {
        target.read(value, &mut self);
        self.problem.map_or(Ok(self.bytes), Err)
    }

    /// Notes a problem, unless there was one before.
    pub fn fail(&mut self, text: impl Into<String>) {
        self.problem.get_or_insert_with(|| Error::Misfit(text.into()));
    }

    fn mismatch(&mut self, value: &Value, go_type: &str) {
        let found = json_type(value);
        let place = match self.records.last() {
            Some(record) if !self.path.is_empty() => {
                format!("Go struct field {record}.{}", self.path.join("."))
            }
            _ => "Go value".to_owned(),
        };
        self.fail(format!(
            "json: cannot unmarshal {found} into {place} of type {go_type}"
        ));
    }
}

/// Names the JSON type of a value as encoding/json does where another type is wanted.
///
/// ```
/// use go_std::record::json_type;
/// use serde_json::json;
///
/// assert_eq!(json_type(&json!(["web"])), "array");
/// assert_eq!(json_type(&json!(1.5)), "number");
/// ```
pub fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A Go type that JSON can be read into.
pub trait FromGo {
    /// The type's name in Go.
    fn go_type() -> String;
    /// Reads a value that is not null over what is there; null changes nothing.
    fn read(&mut self, value: &Value, decoder: &mut Decoder);
}

impl FromGo for String {
    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::String(text) => self.clone_from(text),
            Value::Bool(b) if decoder.coerce => *self = b.to_string(),
            Value::Number(n) if decoder.coerce => {
                *self = match n.as_f64() {
                    // As `sigs.k8s.io/yaml` has it, which takes a float for one of 32 bits.
                    Some(float) if n.is_f64() => float::format_g32(float),
                    _ => n.to_string(),
                };
            }
            _ => decoder.mismatch(value, "string"),
        }
    }
}

impl FromGo for bool {
    fn go_type() -> String {
        "bool".to_owned()
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::Bool(b) => *self = *b,
            _ => decoder.mismatch(value, "bool"),
        }
    }
}

impl FromGo for i64 {
    fn go_type() -> String {
        "int64".to_owned()
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::Number(n) if n.is_i64() => *self = n.as_i64().unwrap_or_default(),
            Value::Number(n) => {
                let record = decoder.records.last().copied().unwrap_or_default();
                let path = decoder.path.join(".");
                decoder.fail(format!(
                    "json: cannot unmarshal number {n} into Go struct field {record}.{path} of type int64"
                ));
            }
            _ => decoder.mismatch(value, "int64"),
        }
    }
}

/// Any JSON value, kept as it is.
impl FromGo for Value {
    fn go_type() -> String {
        "interface {}".to_owned()
    }

    fn read(&mut self, value: &Value, _: &mut Decoder) {
        self.clone_from(value);
    }
}

/// A pointer.
impl<T: FromGo + Default> FromGo for Option<T> {
    fn go_type() -> String {
        format!("*{}", T::go_type())
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        if value.is_null() {
            *self = None;
        } else {
            self.get_or_insert_default().read(value, decoder);
        }
    }
}

impl<T: FromGo + Default> FromGo for Vec<T> {
    fn go_type() -> String {
        format!("[]{}", T::go_type())
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::Array(items) if decoder.make::<T>(items.len()) => {
                *self = items
                    .iter()
                    .map(|item| {
                        let mut element = T::default();
                        element.read(item, decoder);
                        element
                    })
                    .collect();
            }
            Value::Array(_) => {}
            _ => decoder.mismatch(value, &Self::go_type()),
        }
    }
}

impl FromGo for BTreeMap<String, String> {
    fn go_type() -> String {
        "map[string]string".to_owned()
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                for (key, value) in entries {
                    let mut text = String::new();
                    text.read(value, decoder);
                    self.insert(key.clone(), text);
                }
            }
            _ => decoder.mismatch(value, &Self::go_type()),
        }
    }
}

/// A Go struct: what [`go_record!`](crate::go_record) implements.
pub trait Record {
    /// The name of the type in Go, with its package; the whole type of a struct without a name.
    const GO_TYPE: &'static str;
    /// Reads the field that `key` names, without regard to case; false if there is none.
    fn read_field(&mut self, key: &str, value: &Value, decoder: &mut Decoder) -> bool;
}

/// Reads all fields of an object into a record, in key order as they come out of a Go map.
pub fn read_record<R: Record>(record: &mut R, value: &Value, decoder: &mut Decoder) {
    let entries = match value {
        Value::Null => return,
        Value::Object(entries) => entries,
        _ => return decoder.mismatch(value, R::GO_TYPE),
    };
    decoder.records.push(short_name(R::GO_TYPE));
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in entries {
        if !record.read_field(key, value, decoder) && decoder.strict {
            decoder.fail(format!("json: unknown field {key:?}"));
        }
    }
    decoder.records.pop();
}

/// The name of a type as the messages about its fields have it: without its package, and nothing where there is none.
fn short_name(go_type: &'static str) -> &'static str {
    match go_type.rsplit_once('.') {
        _ if go_type.starts_with("struct ") => "",
        Some((_, name)) => name,
        None => go_type,
    }
}

/// Reads one field of a record, remembering its name for messages.
pub fn read_at<T: FromGo>(target: &mut T, name: &'static str, value: &Value, decoder: &mut Decoder) {
    decoder.path.push(name);
    target.read(value, decoder);
    decoder.path.pop();
}

/// Says which fields of a struct have which JSON names, and what the struct is called in Go; see [`record`](mod@crate::record).
///
/// A field may lie in a part of the struct: `inner.field = "name"`.
#[macro_export]
macro_rules! go_record {
    ($ty:ty = $go:literal { $( $($field:ident).+ = $json:literal, )* } $( inline $inline:ident )?) => {
        impl $crate::record::Record for $ty {
            const GO_TYPE: &'static str = $go;

            fn read_field(
                &mut self,
                key: &str,
                value: &$crate::record::Value,
                decoder: &mut $crate::record::Decoder,
            ) -> bool {
                $( if key.eq_ignore_ascii_case($json) {
                    $crate::record::read_at(&mut self.$($field).+, $json, value, decoder);
                    return true;
                } )*
                $( if $crate::record::Record::read_field(&mut self.$inline, key, value, decoder) {
                    return true;
                } )?
                false
            }
        }

        impl $crate::record::FromGo for $ty {
            fn go_type() -> String {
                $go.to_owned()
            }

            fn read(&mut self, value: &$crate::record::Value, decoder: &mut $crate::record::Decoder) {
                $crate::record::read_record(self, value, decoder);
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Item {
        name: String,
        on: bool,
    }

    go_record!(Item = "v1.Item" {
        name = "name",
        on = "on",
    });

    #[derive(Debug, Default, PartialEq)]
    struct Whole {
        items: Vec<Option<Item>>,
        labels: BTreeMap<String, String>,
        first: Item,
    }

    go_record!(Whole = "v1.Whole" {
        items = "items",
        labels = "labels",
        first.name = "first",
    });

    fn error(decoder: Decoder, value: &Value) -> String {
        decoder.decode::<Whole>(value).unwrap_err().to_string()
    }

    #[test]
    fn mismatches_have_the_words_of_go() {
        for (value, wanted) in [
            (
                json!([]),
                "json: cannot unmarshal array into Go value of type v1.Whole",
            ),
            (
                json!({"items": {}}),
                "json: cannot unmarshal object into Go struct field Whole.items of type []*v1.Item",
            ),
            (
                json!({"items": [{"name": 1}]}),
                "json: cannot unmarshal number into Go struct field Item.items.name of type string",
            ),
            (
                json!({"labels": {"a": true}}),
                "json: cannot unmarshal bool into Go struct field Whole.labels of type string",
            ),
            (json!({"other": 1}), "json: unknown field \"other\""),
        ] {
            assert_eq!(error(Decoder::strict(), &value), wanted);
        }
    }

    #[test]
    fn the_first_mistake_in_the_order_of_keys_is_told() {
        let value = json!({"labels": 1, "items": 2});
        assert_eq!(
            error(Decoder::lenient(), &value),
            "json: cannot unmarshal number into Go struct field Whole.items of type []*v1.Item"
        );
    }

    #[test]
    fn scalars_become_text_and_null_changes_nothing() {
        let value = json!({"items": [null, {"name": 1.5, "on": null}], "labels": {"a": true, "b": null}, "FIRST": 3, "x": 1});
        let mut whole = Whole {
            first: Item {
                on: true,
                ..Item::default()
            },
            ..Whole::default()
        };
        Decoder::lenient().decode_over(&mut whole, &value).unwrap();
        let item = |name: &str, on| Item {
            name: name.to_owned(),
            on,
        };
        assert_eq!(whole.items, [None, Some(item("1.5", false))]);
        assert_eq!(
            whole.labels,
            BTreeMap::from([
                ("a".to_owned(), "true".to_owned()),
                ("b".to_owned(), String::new())
            ])
        );
        assert_eq!(whole.first, item("3", true));
    }

    #[test]
    fn elements_are_counted_before_they_are_made() {
        let value = json!({"items": vec![json!({}); 2_000_000]});
        assert_eq!(
            error(Decoder::lenient(), &value),
            "items: lists of more than 33554432 bytes"
        );
    }
}

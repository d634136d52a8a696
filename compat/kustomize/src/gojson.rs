//! Typed records from JSON values with the rules and the messages of Go's `encoding/json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{Error, ErrorKind};

/// How a document is decoded, and where in it the decoder is.
pub(crate) struct Decoder {
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
    /// Bytes that the elements of all lists may take: two letters of text can make one of some hundred.
    const MAX_BYTES: usize = 32 << 20;

    /// The decoder of kustomization files: nothing unknown, nothing coerced.
    pub(crate) fn strict() -> Self {
        Self::new(true, false)
    }

    /// The decoder of plugin configuration: unknown fields are ignored, scalars become text.
    pub(crate) fn lenient() -> Self {
        Self::new(false, true)
    }

    /// The decoder of `configurations` files: nothing unknown, scalars become text.
    pub(crate) fn strict_coercing() -> Self {
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
            let field = self.path.join(".");
            let text = format!("{field}: lists of more than {} bytes", Self::MAX_BYTES);
            self.problem = Some(Error::new(ErrorKind::Limit, text));
        }
        fits
    }

    /// Decodes a value.
    pub(crate) fn decode<T: FromGo + Default>(self, value: &Value) -> Result<T, Error> {
        self.decode_sized(value).map(|(target, _)| target)
    }

    /// Decodes a value, and tells how many bytes the elements of its lists take.
    pub(crate) fn decode_sized<T: FromGo + Default>(mut self, value: &Value) -> Result<(T, usize), Error> {
        let mut target = T::default();
        target.read(value, &mut self);
        match self.problem {
            None => Ok((target, self.bytes)),
            Some(problem) => Err(problem),
        }
    }

    fn fail(&mut self, text: String) {
        self.problem.get_or_insert_with(|| Error::invalid(text));
    }

    fn mismatch(&mut self, value: &Value, go_type: &str) {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
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

/// A Go type that JSON can be read into.
pub(crate) trait FromGo {
    /// The type's name in Go.
    fn go_type() -> String;
    /// Reads a value that is not null over what is there; null changes nothing.
    fn read(&mut self, value: &Value, decoder: &mut Decoder);
    /// The value as Go writes it, `None` where `omitempty` leaves it out.
    fn write(&self) -> Option<Value>;
    /// The value behind a Go pointer, which `omitempty` keeps as soon as there is one.
    fn write_present(&self) -> Option<Value> {
        self.write()
    }
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
                    Some(float) if n.is_f64() => go_std::float::format_g(float),
                    _ => n.to_string(),
                };
            }
            _ => decoder.mismatch(value, "string"),
        }
    }

    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.clone().into())
    }

    fn write_present(&self) -> Option<Value> {
        Some(self.clone().into())
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

    fn write(&self) -> Option<Value> {
        self.then_some(Value::Bool(true))
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

    fn write(&self) -> Option<Value> {
        (*self != 0).then(|| Value::from(*self))
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

    fn write(&self) -> Option<Value> {
        let empty = matches!(self, Value::Null) || self.as_object().is_some_and(Map::is_empty);
        (!empty).then(|| self.clone())
    }
}

impl<T: FromGo + Default> FromGo for Option<T> {
    fn go_type() -> String {
        T::go_type()
    }

    fn read(&mut self, value: &Value, decoder: &mut Decoder) {
        if value.is_null() {
            *self = None;
        } else {
            self.get_or_insert_default().read(value, decoder);
        }
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(FromGo::write_present)
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

    fn write(&self) -> Option<Value> {
        let item = |t: &T| t.write().unwrap_or_else(|| Value::String(String::new()));
        (!self.is_empty()).then(|| Value::Array(self.iter().map(item).collect()))
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

    fn write(&self) -> Option<Value> {
        let entries = self.iter().map(|(k, v)| (k.clone(), Value::String(v.clone())));
        (!self.is_empty()).then(|| Value::Object(entries.collect()))
    }
}

/// A record: what [`record!`] implements.
pub(crate) trait Record {
    const GO_NAME: &'static str;
    /// Reads the field that `key` names, without regard to case; false if there is none.
    fn read_field(&mut self, key: &str, value: &Value, decoder: &mut Decoder) -> bool;
    fn write_fields(&self, into: &mut Map<String, Value>);
}

/// Reads all fields of an object into a record, in key order as they come out of a Go map.
pub(crate) fn read_record<R: Record>(record: &mut R, value: &Value, decoder: &mut Decoder) {
    let entries = match value {
        Value::Null => return,
        Value::Object(entries) => entries,
        _ => return decoder.mismatch(value, &format!("types.{}", R::GO_NAME)),
    };
    decoder.records.push(R::GO_NAME);
    let mut entries: Vec<_> = entries.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in entries {
        if !record.read_field(key, value, decoder) && decoder.strict {
            decoder.fail(format!("json: unknown field {key:?}"));
        }
    }
    decoder.records.pop();
}

/// Reads one field of a record, remembering its name for messages.
pub(crate) fn read_at<T: FromGo>(target: &mut T, name: &'static str, value: &Value, decoder: &mut Decoder) {
    decoder.path.push(name);
    target.read(value, decoder);
    decoder.path.pop();
}

/// Defines a struct with the JSON names of its fields; `inline` adds the fields of another record.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident = $go:literal {
            $( $(#[$field_meta:meta])* $field:ident: $ty:ty = $json:literal, )*
        }
        $( inline $inline:ident: $inline_ty:ty )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $ty, )*
            $( pub(crate) $inline: $inline_ty, )?
        }

        impl $crate::gojson::Record for $name {
            const GO_NAME: &'static str = $go;

            fn read_field(
                &mut self,
                key: &str,
                value: &serde_json::Value,
                decoder: &mut $crate::gojson::Decoder,
            ) -> bool {
                $( if key.eq_ignore_ascii_case($json) {
                    $crate::gojson::read_at(&mut self.$field, $json, value, decoder);
                    return true;
                } )*
                $( if self.$inline.read_field(key, value, decoder) {
                    return true;
                } )?
                false
            }

            fn write_fields(&self, into: &mut serde_json::Map<String, serde_json::Value>) {
                $( if let Some(value) = $crate::gojson::FromGo::write(&self.$field) {
                    into.insert($json.to_owned(), value);
                } )*
                $( self.$inline.write_fields(into); )?
            }
        }

        impl $crate::gojson::FromGo for $name {
            fn go_type() -> String {
                concat!("types.", $go).to_owned()
            }

            fn read(&mut self, value: &serde_json::Value, decoder: &mut $crate::gojson::Decoder) {
                $crate::gojson::read_record(self, value, decoder);
            }

            fn write(&self) -> Option<serde_json::Value> {
                use $crate::gojson::Record as _;
                let mut map = serde_json::Map::new();
                self.write_fields(&mut map);
                Some(serde_json::Value::Object(map))
            }
        }
    };
}
pub(crate) use record;

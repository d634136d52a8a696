//! The way of an object through its Go type and back.
//!
//! Reading drops what the type does not know and turns nulls into zero values; writing leaves out the zero values of
//! some fields and writes those of others, whether they were given or not. The rules are those of apimachinery's
//! converter for unstructured objects, which are not those of `encoding/json`: names are matched exactly, integers
//! wrap, and whole floats are integers.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Number, Value};

use super::table::{Field, Shape, fields_of_struct};
use super::{quantity, time};

/// The object has a value that its type cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

/// What came back.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) fields: Map<String, Value>,
    /// The paths of what the type does not know.
    pub(super) unknown: Vec<String>,
}

/// Passes an object through its type.
pub(super) fn convert(object: &Map<String, Value>, fields: &'static [Field]) -> Result<Converted, Mismatch> {
    let mut conversion = Conversion::default();
    let fields = conversion.fields(fields, object)?;
    Ok(Converted {
        fields,
        unknown: conversion.unknown,
    })
}

#[derive(Default)]
struct Conversion<'a> {
    path: Vec<Step<'a>>,
    unknown: Vec<String>,
}

enum Step<'a> {
    Field(&'a str),
    Index(usize),
}

impl<'a> Conversion<'a> {
    fn fields(
        &mut self,
        fields: &'static [Field],
        given: &'a Map<String, Value>,
    ) -> Result<Map<String, Value>, Mismatch> {
        let mut written = Map::new();
        let mut known = 0;
        for field in fields {
            let value = given.get(field.name);
            known += usize::from(value.is_some());
            let value = match value {
                None | Some(Value::Null) if field.omitted => continue,
                None | Some(Value::Null) => zero(&field.shape),
                Some(value) => self.below(Step::Field(field.name), &field.shape, value)?,
            };
            if !(field.omitted && is_empty(&field.shape, &value)) {
                written.insert(field.name.to_owned(), value);
            }
        }
        if known < given.len() {
            for name in given.keys() {
                if !fields.iter().any(|field| field.name == name) {
                    self.unknown.push(self.path_of(name));
                }
            }
        }
        Ok(written)
    }

    fn below(&mut self, step: Step<'a>, shape: &'static Shape, value: &'a Value) -> Result<Value, Mismatch> {
        self.path.push(step);
        let converted = self.value(shape, value)?;
        self.path.pop();
        Ok(converted)
    }

    fn value(&mut self, shape: &'static Shape, value: &'a Value) -> Result<Value, Mismatch> {
        match (shape, value) {
            (_, Value::Null) => Ok(zero(shape)),
            (Shape::Pointer(to), value) => self.value(to, value),
            (Shape::Raw, value) => Ok(raw(value)),
            (Shape::String, Value::String(_)) | (Shape::Bool, Value::Bool(_)) => Ok(value.clone()),
            (Shape::Int32, Value::Number(number)) => integer(number).map(|wide| int32(wide).into()),
            (Shape::Int64, Value::Number(number)) => integer(number).map(Value::from),
            (Shape::Bytes, value) => bytes(value).map(Value::String),
            (Shape::Time, Value::String(text)) => time::seconds(text).ok_or(Mismatch),
            (Shape::MicroTime, Value::String(text)) => time::microseconds(text).ok_or(Mismatch),
            (Shape::Quantity, Value::String(text)) => {
                quantity::canonical(text).map(Value::String).ok_or(Mismatch)
            }
            (Shape::Quantity, Value::Number(number)) => {
                let text = number_text(number);
                quantity::canonical(&text).map(Value::String).ok_or(Mismatch)
            }
            (Shape::IntOrString, Value::String(_)) => Ok(value.clone()),
            (Shape::IntOrString, Value::Number(number)) => {
                let narrow = integer(number).ok().and_then(|wide| i32::try_from(wide).ok());
                narrow.map(Value::from).ok_or(Mismatch)
            }
            (Shape::List(of), Value::Array(items)) => {
                let items = items.iter().enumerate();
                let items = items.map(|(at, item)| self.below(Step::Index(at), of, item));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            (Shape::Map(of), Value::Object(entries)) => {
                let entries = entries.iter();
                let entries =
                    entries.map(|(key, value)| Ok((key.clone(), self.below(Step::Field(key), of, value)?)));
                entries.collect::<Result<_, _>>().map(Value::Object)
            }
            (Shape::Struct(name), Value::Object(given)) => {
                self.fields(fields_of_struct(name), given).map(Value::Object)
            }
            _ => Err(Mismatch),
        }
    }

    fn path_of(&self, name: &str) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => {
                    text.push_str(name);
                    text.push('.');
                }
                Step::Index(at) => {
                    text.pop();
                    text.push('[');
                    text.push_str(&at.to_string());
                    text.push_str("].");
                }
            }
        }
        text + name
    }
}

/// What a zero value is written as.
fn zero(shape: &'static Shape) -> Value {
    match shape {
        Shape::String => Value::String(String::new()),
        Shape::Bool => Value::Bool(false),
        Shape::Int32 | Shape::Int64 | Shape::IntOrString => Value::from(0),
        Shape::Quantity => Value::String("0".to_owned()),
        Shape::Struct(name) => {
            let fields = fields_of_struct(name).iter().filter(|field| !field.omitted);
            let fields = fields.map(|field| (field.name.to_owned(), zero(&field.shape)));
            Value::Object(fields.collect())
        }
        Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Raw
        | Shape::Pointer(_)
        | Shape::List(_)
        | Shape::Map(_) => Value::Null,
    }
}

/// Whether a value that was given is not written where zero values are left out.
fn is_empty(shape: &Shape, written: &Value) -> bool {
    match written {
        // A pointer to a zero value is not nil.
        _ if matches!(shape, Shape::Pointer(_)) => false,
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Reads a number as an integer: one with a fraction is none, one out of range becomes the smallest, as on amd64.
fn integer(number: &Number) -> Result<i64, Mismatch> {
    if let Some(integer) = number.as_i64() {
        return Ok(integer);
    }
    let float = number.as_f64().ok_or(Mismatch)?;
    if float.trunc() != float {
        return Err(Mismatch);
    }
    Ok(whole(float).unwrap_or(i64::MIN))
}

/// Gives a float without a fraction as an integer if it is in range.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn whole(float: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (float.trunc() == float && (-LIMIT..LIMIT).contains(&float)).then_some(float as i64)
}

#[expect(clippy::cast_possible_truncation, reason = "Go's conversion wraps too")]
fn int32(wide: i64) -> i32 {
    wide as i32
}

/// The base64 of Go ignores line breaks and what the last bits are.
fn bytes(value: &Value) -> Result<String, Mismatch> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
    );
    let bytes = match value {
        Value::String(text) if text.contains(['\r', '\n']) => LENIENT
            .decode(text.replace(['\r', '\n'], ""))
            .map_err(|_| Mismatch)?,
        Value::String(text) => LENIENT.decode(text).map_err(|_| Mismatch)?,
        // A list of numbers is bytes as well.
        Value::Array(items) => items.iter().map(byte).collect::<Result<_, _>>()?,
        _ => return Err(Mismatch),
    };
    Ok(LENIENT.encode(bytes))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go's conversion wraps too"
)]
fn byte(item: &Value) -> Result<u8, Mismatch> {
    match item {
        Value::Null => Ok(0),
        Value::Number(number) => Ok(integer(number)? as u8),
        _ => Err(Mismatch),
    }
}

/// Anything comes back as it was, but for floats, which Go prints without a fraction where they have none.
fn raw(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .and_then(whole)
            .map_or_else(|| value.clone(), Value::from),
        Value::Array(items) => items.iter().map(raw).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), raw(value)))
            .collect(),
        _ => value.clone(),
    }
}

/// Prints a number as `encoding/json` does.
fn number_text(number: &Number) -> String {
    if number.is_i64() {
        return number.to_string();
    }
    let float = number.as_f64().unwrap_or_default();
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{float:e}");
        return if magnitude < 1.0 {
            text
        } else {
            text.replace('e', "e+")
        };
    }
    format!("{float}")
}

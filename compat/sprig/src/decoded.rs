//! What JSON and YAML are read into.

use gotmpl::{List, Str, Value};

/// A value, or an error text with what could be read in spite of it, which is nothing if the text is malformed.
pub(crate) type Decoded = Result<Value, (String, Option<Value>)>;

/// The complaint of encoding/json about a value that is not of the wanted Go type.
pub(crate) fn misfit(value: &Value, wanted: &str) -> String {
    let actual = match value {
        Value::Bool(_) => "bool",
        Value::Str(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("json: cannot unmarshal {actual} into Go value of type {wanted}")
}

/// Builds template values.
#[derive(Default)]
pub(crate) struct ToValue {
    /// How many maps were built.
    pub(crate) maps: usize,
}

impl go_std::Build for ToValue {
    type Value = Value;
    type Key = Str;

    fn null(&mut self) -> Value {
        Value::Nil
    }

    fn bool(&mut self, value: bool) -> Value {
        Value::Bool(value)
    }

    fn int(&mut self, value: i64) -> Value {
        Value::Float(value as f64)
    }

    fn uint(&mut self, value: u64) -> Value {
        Value::Float(value as f64)
    }

    fn float(&mut self, value: f64) -> Value {
        Value::Float(value)
    }

    fn string(&mut self, value: &str) -> Value {
        Value::from(value)
    }

    fn key(&mut self, key: &str) -> Str {
        Str::from(key)
    }

    fn list(&mut self, items: Vec<Value>) -> Value {
        Value::List(List::new(items))
    }

    fn map(&mut self, pairs: Vec<(Str, Value)>) -> Value {
        self.maps += 1;
        Value::Map(pairs.into_iter().collect())
    }
}

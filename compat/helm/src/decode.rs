//! Reading JSON values into typed fields by the rules, and with the error texts, of Go's `encoding/json`.

use serde_json::{Map, Value as Json};

use go_std::float;

use crate::Time;
use crate::time::InvalidTime;

/// A value whose JSON type does not fit its field, in the words of `encoding/json`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error unmarshaling JSON: while decoding JSON: {0}")]
pub struct TypeMismatch(Misfit);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Misfit {
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Kind {
        found: &'static str,
        place: String,
        wanted: String,
    },
    #[error("Time.UnmarshalJSON: input is not a JSON string")]
    NoTime,
    #[error("{0}")]
    Time(InvalidTime),
}

/// Where in a typed value the decoder is: the Go struct it is in, and the path of field names that led to it.
#[derive(Clone)]
pub(crate) struct Place {
    strukt: &'static str,
    path: String,
}

impl Place {
    /// The start of a document.
    pub(crate) fn root() -> Self {
        Self {
            strukt: "",
            path: String::new(),
        }
    }

    fn field(&self, strukt: &'static str, name: &str) -> Self {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Self { strukt, path }
    }

    fn mismatch(&self, found: &Json, wanted: impl Into<String>) -> TypeMismatch {
        let place = if self.path.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}.{}", self.strukt, self.path)
        };
        TypeMismatch(Misfit::Kind {
            found: kind(found),
            place,
            wanted: wanted.into(),
        })
    }

    /// Reads a string; numbers and booleans become text, as `sigs.k8s.io/yaml` does for string fields.
    pub(crate) fn string(&self, value: &Json) -> Result<String, TypeMismatch> {
        match value {
            Json::String(text) => Ok(text.clone()),
            Json::Bool(b) => Ok(b.to_string()),
            Json::Number(n) => Ok(number_text(n)),
            other => Err(self.mismatch(other, "string")),
        }
    }

    // A place like the others, though no message of a time names it.
    #[expect(clippy::unused_self, reason = "a place like the others")]
    pub(crate) fn time(&self, value: &Json) -> Result<Time, TypeMismatch> {
        let text = value.as_str().ok_or(TypeMismatch(Misfit::NoTime))?;
        text.parse().map_err(|error| TypeMismatch(Misfit::Time(error)))
    }

    pub(crate) fn boolean(&self, value: &Json) -> Result<bool, TypeMismatch> {
        value.as_bool().ok_or_else(|| self.mismatch(value, "bool"))
    }

    pub(crate) fn list<'v>(&self, value: &'v Json, go_type: &str) -> Result<&'v [Json], TypeMismatch> {
        value
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| self.mismatch(value, go_type))
    }

    pub(crate) fn strings(&self, value: &Json) -> Result<Vec<String>, TypeMismatch> {
        self.list(value, "[]string")?
            .iter()
            .map(|item| self.string_or_empty(item))
            .collect()
    }

    pub(crate) fn string_map(&self, value: &Json) -> Result<Vec<(String, String)>, TypeMismatch> {
        let entries = value
            .as_object()
            .ok_or_else(|| self.mismatch(value, "map[string]string"))?;
        entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), self.string_or_empty(value)?)))
            .collect()
    }

    pub(crate) fn object<'v>(
        &self,
        value: &'v Json,
        go_type: &'static str,
    ) -> Result<Object<'v>, TypeMismatch> {
        let entries = value.as_object().ok_or_else(|| self.mismatch(value, go_type))?;
        // A struct without a name has none in messages either.
        let strukt = match go_type.rsplit_once('.') {
            _ if go_type.starts_with("struct ") => "",
            Some((_, name)) => name,
            None => go_type,
        };
        Ok(Object {
            entries,
            strukt,
            place: self.clone(),
        })
    }

    fn string_or_empty(&self, value: &Json) -> Result<String, TypeMismatch> {
        if value.is_null() {
            Ok(String::new())
        } else {
            self.string(value)
        }
    }
}

/// A JSON object that is read into the fields of a Go struct.
pub(crate) struct Object<'v> {
    entries: &'v Map<String, Json>,
    strukt: &'static str,
    place: Place,
}

impl<'v> Object<'v> {
    /// Reads a field if it is there and not null; names match without regard to case, as in Go.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Place, &'v Json) -> Result<T, TypeMismatch>,
    ) -> Result<Option<T>, TypeMismatch> {
        let exact = self.entries.get(name);
        let found = exact.or_else(|| {
            self.entries
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, v)| v)
        });
        match found.filter(|value| !value.is_null()) {
            Some(value) => read(&self.place.field(self.strukt, name), value).map(Some),
            None => Ok(None),
        }
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn number_text(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float::format_g(float),
        _ => number.to_string(),
    }
}

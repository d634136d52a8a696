//! What is asked of the API server: where an object lies, in which version it was seen, and what is sent.

use http::Method;
use serde::Serialize as _;
use serde_json::Value;

use super::error::RestError;
use crate::mapping::Mapping;
use crate::object::{metadata_text, resource_version};

/// What is accepted unless something else is asked for.
pub(super) const JSON: &str = "application/json";

/// A request to the API server.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// The media type of the answer.
    pub accept: &'a str,
    /// Media type and content of the body.
    pub body: Option<(&'a str, &'a Value)>,
}

impl<'a> Ask<'a> {
    /// A request without a body that is answered in JSON.
    pub fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            accept: JSON,
            body: None,
        }
    }

    /// The request with a body of the given media type.
    #[must_use]
    pub fn with(self, content: &'a str, body: &'a Value) -> Self {
        Self {
            body: Some((content, body)),
            ..self
        }
    }
}

/// The version of an object that a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its UID: another object of the same name is another matter.
    pub uid: &'a str,
    /// Its resource version.
    pub resource_version: &'a str,
}

impl<'a> Seen<'a> {
    /// Takes note of what was read.
    pub fn of(object: &'a Value) -> Self {
        Self {
            uid: metadata_text(object, "uid"),
            resource_version: resource_version(object),
        }
    }
}

/// Where an object lies: its kind's endpoint, its namespace and its name.
#[derive(Clone, Copy, Debug)]
pub struct ObjectPath<'a> {
    /// Endpoint and scope of the kind.
    pub mapping: &'a Mapping,
    /// Namespace; ignored for cluster-scoped kinds.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

impl ObjectPath<'_> {
    /// Gives the URL path.
    pub fn path(&self) -> String {
        self.mapping.path(self.namespace, self.name)
    }
}

/// JSON that is also YAML of the same meaning: the API server reads the body of an apply as YAML, where a line separator
/// ends a line and takes the spaces around it along. encoding/json escapes both separators, so stock never meets this.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, RestError> {
    let mut body = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut body, SeparatorsEscaped);
    let written = value.serialize(&mut writer);
    written.map_err(|error| RestError::Request(error.to_string()))?;
    Ok(body)
}

struct SeparatorsEscaped;

impl serde_json::ser::Formatter for SeparatorsEscaped {
    fn write_string_fragment<W: std::io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['\u{2028}', '\u{2029}']) {
            let (before, from) = rest.split_at(at);
            let escape = if from.starts_with('\u{2028}') {
                "\\u2028"
            } else {
                "\\u2029"
            };
            writer.write_all(before.as_bytes())?;
            writer.write_all(escape.as_bytes())?;
            rest = &from['\u{2028}'.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_separators_are_escaped_in_bodies() {
        let value = serde_json::json!({"a \u{2028} b": ["\u{2029}", "ü \u{2028}\u{2029}\n"]});
        let body = String::from_utf8(encode(&value).unwrap()).unwrap();
        assert_eq!(body, r#"{"a \u2028 b":["\u2029","ü \u2028\u2029\n"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), value);
    }
}

//! The difference between two JSON documents as a JSON patch.
//!
//! The patch is that of the library which upstream uses (wI2L/jsondiff 0.7.1 with its option `Rationalize`), since the
//! number of its operations is told to people. It replaces a whole value where that is shorter than the operations in
//! it, and it measures "shorter" on the text of the wanted document, with some mistakes that are kept.

use serde_json::Value;

use crate::merge::canonical;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Adds a field or an element.
    Add,
    /// Replaces a value.
    Replace,
    /// Removes a field or an element.
    Remove,
}

impl OperationKind {
    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One operation of a JSON patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// The JSON pointer to what it is done to.
    pub path: String,
    /// The value that is added or put in place.
    pub value: Option<Value>,
}

impl Operation {
    /// The text of the operation.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        if let Some(value) = &self.value {
            out.push_str("\"value\":");
            // Writing a value fails for numbers only that JSON does not have.
            out.push_str(&go_yaml::gojson::to_string(value).unwrap_or_default());
            out.push(',');
        }
        out.push_str("\"op\":\"");
        out.push_str(self.kind.name());
        out.push_str("\",\"path\":");
        go_yaml::gojson::write_string(&mut out, &self.path, true);
        out.push('}');
        out
    }

    /// The operation without what is in a Secret, of which `live` is the one that it is made for.
    pub(super) fn masked(&self, live: &Value) -> Self {
        const COPIES: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
        let is_below = |field: &str| {
            self.path
                .strip_prefix(field)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let mask = |is_replaced: bool| Value::from(if is_replaced { "*** (after)" } else { "***" });
        let value = self
            .value
            .as_ref()
            .map(|value| match (self.path.as_str(), value) {
                (field @ ("/data" | "/stringData"), Value::Object(wanted)) => {
                    let had = live.pointer(field);
                    let masked = wanted.iter().map(|(key, value)| {
                        let had = had.and_then(|had| had.get(key));
                        (key.clone(), mask(had.is_some_and(|had| had != value)))
                    });
                    Value::Object(masked.collect())
                }
                ("/data" | "/stringData" | "/metadata/annotations" | COPIES, _) => mask(false),
                _ if is_below("/data") || is_below("/stringData") => {
                    mask(self.kind == OperationKind::Replace)
                }
                _ => value.clone(),
            });
        Self {
            kind: self.kind,
            path: self.path.clone(),
            value,
        }
    }
}

/// Whose patch is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Upstream's.
    Upstream,
    /// One that can be sent: it never replaces the document or its metadata as a whole, of which it knows a part only.
    Careful,
}

/// The patch that makes `to` of `from`.
pub(super) fn compare(from: &Value, to: &Value, style: Style) -> Vec<Operation> {
    let (from, to) = (canonical(from), canonical(to));
    // The texts are compact and end where a value ends, so that slices of them are texts of values.
    let text = go_yaml::gojson::to_string(&to).unwrap_or_default();
    let mut comparison = Comparison {
        style,
        found: Vec::new(),
    };
    comparison.values(&mut String::new(), &from, &to, &text);
    comparison
        .found
        .into_iter()
        .map(|(operation, _)| operation)
        .collect()
}

struct Comparison {
    style: Style,
    /// The operations, with the length that upstream sees in the value of each.
    found: Vec<(Operation, usize)>,
}

impl Comparison {
    /// Compares two values that are at `path`; `text` is the one that is wanted.
    fn values(&mut self, path: &mut String, from: &Value, to: &Value, text: &str) {
        if from == to {
            return;
        }
        let before = self.found.len();
        match (from, to) {
            (Value::Array(from), Value::Array(to)) => self.lists(path, from, to, text),
            (Value::Object(from), Value::Object(to)) => self.objects(path, from, to, text),
            _ => return self.push(OperationKind::Replace, path.clone(), Some(to), text.len()),
        }
        if self.found.len() > before {
            self.shorten(path, to, before, text.len());
        }
    }

    fn push(&mut self, kind: OperationKind, path: String, value: Option<&Value>, length: usize) {
        let value = value.cloned();
        self.found.push((Operation { kind, path, value }, length));
    }

    fn objects(
        &mut self,
        path: &mut String,
        from: &serde_json::Map<String, Value>,
        to: &serde_json::Map<String, Value>,
        text: &str,
    ) {
        let mut keys: Vec<_> = from.keys().chain(to.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let length = path.len();
        for key in keys {
            push_token(path, key);
            match (from.get(key), to.get(key)) {
                (Some(from), Some(to)) => self.values(path, from, to, field(text, key)),
                (Some(_), None) => self.push(OperationKind::Remove, path.clone(), None, 0),
                (None, to) => self.push(OperationKind::Add, path.clone(), to, 0),
            }
            path.truncate(length);
        }
    }

    fn lists(&mut self, path: &mut String, from: &[Value], to: &[Value], text: &str) {
        let length = path.len();
        for _ in to.len()..from.len() {
            self.push(OperationKind::Remove, format!("{path}/{}", to.len()), None, 0);
        }
        let mut elements = Elements { text, at: 1 };
        for (at, (from, to)) in from.iter().zip(to).enumerate() {
            let text = elements.next().unwrap_or_default();
            push_token(path, &at.to_string());
            self.values(path, from, to, text);
            path.truncate(length);
        }
        for added in to.iter().skip(from.len()) {
            self.push(OperationKind::Add, format!("{path}/-"), Some(added), 0);
        }
    }

    /// Replaces the operations since `before` by one, if that is shorter.
    fn shorten(&mut self, path: &str, to: &Value, before: usize, length: usize) {
        if self.style == Style::Careful && ["", "/metadata"].contains(&path) {
            return;
        }
        let many = self.found.get(before..).unwrap_or_default();
        let commas = many.len().saturating_sub(1);
        let many = many
            .iter()
            .map(|(operation, length)| length_of(operation.kind, &operation.path, *length))
            .sum::<usize>();
        if many + commas > length_of(OperationKind::Replace, path, length) {
            self.found.truncate(before);
            self.push(OperationKind::Replace, path.to_owned(), Some(to), length);
        }
    }
}

/// The length of an operation as upstream counts it, which takes the value of an addition for empty.
fn length_of(kind: OperationKind, path: &str, value: usize) -> usize {
    let value = match kind {
        OperationKind::Remove => 0,
        OperationKind::Add | OperationKind::Replace => r#","value":"#.len() + value,
    };
    r#"{"op":"","path":""}"#.len() + kind.name().len() + path.len() + value
}

fn push_token(path: &mut String, token: &str) {
    path.push('/');
    for c in token.chars() {
        match c {
            '/' => path.push_str("~1"),
            '~' => path.push_str("~0"),
            c => path.push(c),
        }
    }
}

/// The text of a field in the text of an object. A key with escapes is not found.
fn field<'t>(text: &'t str, key: &str) -> &'t str {
    let mut at = 1;
    while at < text.len() {
        let start = at;
        at = end_of_string(text, at);
        let found = text.get(start + 1..at.saturating_sub(1));
        at += 1;
        let value = at;
        at = end_of_value(text, at);
        if found == Some(key) {
            return text.get(value..at).unwrap_or_default();
        }
        at += 1;
    }
    ""
}

/// The texts of the elements in the text of a list.
struct Elements<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Elements<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let end = end_of_value(self.text, start);
        self.at = end + 1;
        self.text.get(start..end)
    }
}

fn end_of_value(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(at) {
        Some(b't' | b'n') => at + 4,
        Some(b'f') => at + 5,
        Some(b'"') => end_of_string(text, at),
        Some(b'-' | b'+' | b'0'..=b'9') => {
            let rest = bytes.get(at + 1..).unwrap_or_default();
            let length = rest
                .iter()
                .position(|byte| *byte <= b' ' || b",]}".contains(byte));
            at + 1 + length.unwrap_or(rest.len())
        }
        Some(b'[' | b'{') => end_of_nested(bytes, at),
        _ => at,
    }
}

/// Where a string ends. One that ends with a backslash is not seen to end, as upstream.
fn end_of_string(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while end < bytes.len() && (bytes.get(end) != Some(&b'"') || bytes.get(end - 1) == Some(&b'\\')) {
        end += 1;
    }
    end + 1
}

/// Where a list or an object ends; strings in it are seen to end.
fn end_of_nested(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (offset, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => depth += 1,
            b']' | b'}' if !is_string => {
                depth -= 1;
                if depth == 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn texts(from: &Value, to: &Value, style: Style) -> Vec<String> {
        compare(from, to, style).iter().map(Operation::to_json).collect()
    }

    #[test]
    fn a_value_is_replaced_where_that_is_shorter() {
        let from = json!({"m": {"a": 1, "b": 2, "c": 3}, "k": "ConfigMap is the kind of this", "n": "some other text"});
        let to = json!({"m": {"a": 4, "b": 5, "c": 6}, "k": "ConfigMap is the kind of this", "n": "some other text"});
        assert_eq!(
            texts(&from, &to, Style::Careful),
            [r#"{"value":{"a":4,"b":5,"c":6},"op":"replace","path":"/m"}"#]
        );
    }

    #[test]
    fn the_whole_is_never_replaced_by_a_careful_patch() {
        let (from, to) = (json!({"a": 1, "b": 2, "c": 3}), json!({"a": 4, "b": 5, "c": 6}));
        assert_eq!(texts(&from, &to, Style::Careful).len(), 3);
        assert_eq!(
            texts(&from, &to, Style::Upstream),
            [r#"{"value":{"a":4,"b":5,"c":6},"op":"replace","path":""}"#]
        );
    }

    #[test]
    fn texts_of_values_are_found_as_upstream_finds_them() {
        let text = r#"{"a\"b":1,"c":"x\\","d":[1,{"e":"]"}],"f":null}"#;
        assert_eq!(field(text, "a\"b"), "");
        assert_eq!(field(text, "f"), "");
        let text = r#"{"c":"x","d":[1,{"e":"]\\"},true],"f":null}"#;
        assert_eq!(field(text, "d"), r#"[1,{"e":"]\\"},true]"#);
        assert_eq!(field(text, "f"), "null");
        let elements = Elements {
            text: field(text, "d"),
            at: 1,
        };
        assert_eq!(elements.collect::<Vec<_>>(), ["1", r#"{"e":"]\\"}"#, "true"]);
    }
}

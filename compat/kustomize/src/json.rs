//! JSON as a build reads it: nested as deeply as YAML may be, and no deeper.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Error, ErrorKind};

/// How deeply nested a text may be that `serde_json` reads.
const READER_LEVELS: usize = 120;
/// Bytes that may be looked at again and again, once for each level beyond.
const REREAD_BYTES: usize = 256 << 20;

/// The value of a JSON text that is nested at most `nesting` levels deep.
pub(crate) fn parse(text: &[u8], nesting: usize) -> Result<Value, Error> {
    let levels = levels(text);
    let limit = |text: String| Error::new(ErrorKind::Limit, text);
    if levels > nesting {
        return Err(limit(format!("nested more than {nesting} levels deep")));
    }
    let beyond = levels.saturating_sub(READER_LEVELS);
    if beyond.saturating_mul(text.len()) > REREAD_BYTES {
        return Err(limit(format!(
            "nested more than {READER_LEVELS} levels deep with {} bytes of text",
            text.len()
        )));
    }
    parse_levels(text, levels).map_err(|e| Error::invalid(e.to_string()))
}

/// Reads level by level what is deeper than the reader goes.
fn parse_levels(text: &[u8], levels: usize) -> serde_json::Result<Value> {
    if levels <= READER_LEVELS {
        return serde_json::from_slice(text);
    }
    let value = |raw: &RawValue| {
        let text = raw.get().as_bytes();
        parse_levels(text, self::levels(text))
    };
    if text.trim_ascii_start().starts_with(b"{") {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(text)?;
        let members = members.into_iter().map(|(key, raw)| Ok((key, value(raw)?)));
        return members.collect::<serde_json::Result<_>>().map(Value::Object);
    }
    let items: Vec<&RawValue> = serde_json::from_slice(text)?;
    items
        .into_iter()
        .map(value)
        .collect::<serde_json::Result<_>>()
        .map(Value::Array)
}

/// The most brackets that are open at once, outside of strings; whether the text is JSON is for the reader to say.
fn levels(text: &[u8]) -> usize {
    let (mut deepest, mut depth, mut in_string, mut escaped) = (0, 0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What a value takes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonSize {
    /// Nodes of the tree that the value becomes in an object, keys included.
    pub(crate) nodes: usize,
    /// Bytes of all keys and texts.
    pub(crate) texts: usize,
    /// Bytes of everything else, as JSON.
    pub(crate) structure: usize,
    /// Collections around the innermost value, its own included.
    pub(crate) depth: usize,
}

/// Bytes that a map takes with its first entries.
const MAP: usize = 640;

/// How large a value is, found without recursion.
pub(crate) fn size(value: &Value) -> JsonSize {
    let mut size = JsonSize::default();
    let mut open = vec![(value, 0)];
    while let Some((value, above)) = open.pop() {
        size.nodes += 1;
        size.structure += size_of::<Value>();
        match value {
            Value::String(text) => size.texts += text.len(),
            Value::Array(items) => {
                size.depth = size.depth.max(above + 1);
                open.extend(items.iter().map(|item| (item, above + 1)));
            }
            Value::Object(map) => {
                size.depth = size.depth.max(above + 1);
                size.structure += MAP * map.len().div_ceil(8);
                size.nodes += map.len();
                for (key, value) in map {
                    size.texts += key.len();
                    open.push((value, above + 1));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_nest_as_deeply_as_allowed() {
        let nested = |depth: usize| {
            format!(
                "{}{{\"a\": \"[[\\\"[\"}}{}",
                "[".repeat(depth - 1),
                "]".repeat(depth - 1)
            )
        };
        let at_most = parse(nested(512).as_bytes(), 512);
        assert_eq!(at_most.map(|value| size(&value).depth), Ok(512));
        let deeper = parse(nested(513).as_bytes(), 512);
        assert_eq!(deeper.map_err(|e| e.kind()), Err(ErrorKind::Limit));
    }
}

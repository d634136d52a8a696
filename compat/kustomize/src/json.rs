//! JSON as a build reads it: nested as deeply as YAML may be, and no deeper.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Error, ErrorKind};

/// How deeply nested a text may be that `serde_json` reads.
const READER_LEVELS: usize = 120;
/// Bytes that may be looked at again and again, once for each level beyond.
const REREAD_BYTES: usize = 256 << 20;

/// How many bytes of memory a text takes as JSON, about.
pub(crate) fn bytes(text: &[u8]) -> usize {
    Extent::of(text).bytes
}

/// The value of a JSON text, within what the limits say about its depth and about the bytes that it takes in memory.
pub(crate) fn parse(text: &[u8], limits: &go_yaml::Limits) -> Result<Value, Error> {
    let Extent { levels, bytes } = Extent::of(text);
    let limit = |text: String| Error::new(ErrorKind::Limit, text);
    let nesting = limits.max_nesting;
    if levels > nesting {
        return Err(limit(format!("nested more than {nesting} levels deep")));
    }
    let max = limits.max_value_bytes;
    if bytes > max {
        return Err(limit(format!("JSON values of more than {max} bytes")));
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
        parse_levels(text, Extent::of(text).levels)
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

/// What a text becomes if it is JSON, which is for the reader to say.
struct Extent {
    /// The most brackets that are open at once.
    levels: usize,
    /// Bytes of memory, about.
    bytes: usize,
}

impl Extent {
    /// Bytes of an entry of a large map, but for what is outside of its key and value.
    const ENTRY: usize = 96;

    fn of(text: &[u8]) -> Self {
        let (mut levels, mut depth, mut in_string, mut escaped) = (0, 0_usize, false, false);
        let (mut maps, mut entries, mut items) = (0_usize, 0_usize, 0_usize);
        let mut map_begins = false;
        for byte in text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => {
                    in_string = !in_string;
                    // A map without entries takes nothing.
                    maps += usize::from(map_begins);
                    map_begins = false;
                }
                _ if in_string => {}
                b'[' | b'{' => {
                    depth += 1;
                    levels = levels.max(depth);
                    map_begins = *byte == b'{';
                }
                b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    map_begins = false;
                }
                b':' => entries += 1,
                b',' => items += 1,
                _ => {}
            }
        }
        Self {
            levels,
            bytes: text.len() + maps * MAP + entries * Self::ENTRY + items * size_of::<Value>(),
        }
    }
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
        let limits = go_yaml::Limits::default();
        let at_most = parse(nested(512).as_bytes(), &limits);
        assert_eq!(at_most.map(|value| size(&value).depth), Ok(512));
        let deeper = parse(nested(513).as_bytes(), &limits);
        assert_eq!(deeper.map_err(|e| e.kind()), Err(ErrorKind::Limit));
        let many = format!("[{}1]", "{\"a\":1},".repeat(200_000));
        let larger = parse(many.as_bytes(), &limits);
        assert_eq!(larger.map_err(|e| e.kind()), Err(ErrorKind::Limit));
        let texts = format!("[{}1]", "\"{{{{{{{{\",{},".repeat(200_000));
        assert!(parse(texts.as_bytes(), &limits).is_ok());
    }
}

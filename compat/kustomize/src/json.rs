//! JSON as a build reads it: nested as deeply as YAML may be, and no deeper.

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, ErrorKind};

/// The value of a JSON text that is nested at most `nesting` levels deep.
pub(crate) fn parse(text: &[u8], nesting: usize) -> Result<Value, Error> {
    check_nesting(text, nesting)?;
    let mut reader = serde_json::Deserializer::from_slice(text);
    // The text is known not to be deeper than what is walked recursively everywhere.
    reader.disable_recursion_limit();
    let invalid = |e: serde_json::Error| Error::invalid(e.to_string());
    let value = Value::deserialize(&mut reader).map_err(invalid)?;
    reader.end().map_err(invalid)?;
    Ok(value)
}

/// Counts brackets outside of strings; whether the text is JSON at all is for the parser to say.
fn check_nesting(text: &[u8], max: usize) -> Result<(), Error> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > max {
                    let text = format!("nested more than {max} levels deep");
                    return Err(Error::new(ErrorKind::Limit, text));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
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
        let nested = |depth: usize| format!("{}\"[[\\\"[\"{}", "[".repeat(depth), "]".repeat(depth));
        let at_most = parse(nested(512).as_bytes(), 512);
        assert_eq!(at_most.map(|value| size(&value).depth), Ok(512));
        let deeper = parse(nested(513).as_bytes(), 512);
        assert_eq!(deeper.map_err(|e| e.kind()), Err(ErrorKind::Limit));
    }
}

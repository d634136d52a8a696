//! JSON as a build reads it: nested as deeply as YAML may be, and no deeper.

use serde_json::Value;

use crate::{Error, ErrorKind};

/// The value of a JSON text, within what the limits say about its depth and about the bytes that it takes in memory.
pub(crate) fn parse(text: &[u8], limits: &go_yaml::Limits) -> Result<Value, Error> {
    parse_sized(text, limits).map(|(value, _)| value)
}

/// [`parse`], and how many bytes the value takes, about.
pub(crate) fn parse_sized(text: &[u8], limits: &go_yaml::Limits) -> Result<(Value, usize), Error> {
    let limits = go_std::json::Limits {
        depth: limits.max_nesting,
        bytes: limits.max_value_bytes,
    };
    let read = go_std::json::read(text, &limits, &mut go_yaml::ToJson::exact());
    let read = read.map_err(|error| {
        let kind = match error {
            go_std::json::Error::Syntax(_) => ErrorKind::Invalid,
            go_std::json::Error::Depth(_) | go_std::json::Error::Bytes(_) => ErrorKind::Limit,
        };
        Error::new(kind, error.to_string())
    })?;
    match read.misfit {
        Some(misfit) => Err(Error::invalid(misfit)),
        None => Ok((read.value, read.bytes)),
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

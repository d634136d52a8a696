//! The formats: from bytes to a tree and back.

pub(crate) mod dotenv;
pub(crate) mod ini;
pub(crate) mod json;
pub(crate) mod yaml;

use crate::error::{EmitError, LoadError};
use crate::limits::Limits;
use crate::numbers;
use crate::tree::{Comment, Value};

/// Replaces each occurrence of a text.
pub(crate) fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(from) {
            out.extend_from_slice(to);
            rest = after;
        } else if let Some((first, after)) = rest.split_first() {
            out.push(*first);
            rest = after;
        }
    }
    out
}

/// A value as a format without types writes it; nothing for objects and lists.
fn plain_text(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Null => b"<nil>".to_vec(),
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::Int(value) => value.to_string().into_bytes(),
        Value::Uint(value) => value.to_string().into_bytes(),
        Value::Float(value) => numbers::in_text(*value).into_bytes(),
        Value::Text(text) => text.clone(),
        Value::Time(time) => time.whole().into_bytes(),
        Value::Comment(Comment { text, inline }) => {
            [b"{", text.as_slice(), format!(" {inline}}}").as_bytes()].concat()
        }
        Value::Branch(_) | Value::List(_) => return None,
    })
}

/// Counts what is read.
struct Budget {
    nodes: usize,
    max_nodes: usize,
    max_depth: usize,
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        Self {
            nodes: 0,
            max_nodes: limits.max_nodes,
            max_depth: limits.max_depth,
        }
    }

    /// One more value, so many levels deep.
    fn take(&mut self, depth: usize) -> Result<(), LoadError> {
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            return Err(LoadError::Limit {
                what: "values",
                allowed: self.max_nodes,
            });
        }
        if depth > self.max_depth {
            return Err(LoadError::Limit {
                what: "levels",
                allowed: self.max_depth,
            });
        }
        Ok(())
    }
}

fn utf8(text: &[u8]) -> Result<&str, EmitError> {
    std::str::from_utf8(text).map_err(|_| EmitError::NotUtf8)
}

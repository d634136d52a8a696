//! dotenv files: nothing is quoted, nothing is trimmed.

use super::{Budget, plain_text, replace};
use crate::error::{EmitError, LoadError};
use crate::limits::Limits;
use crate::tree::{Branch, Item, Key, Value};

pub(crate) fn load(bytes: &[u8], limits: &Limits) -> Result<Branch, LoadError> {
    let mut branch = Vec::new();
    let mut budget = Budget::new(limits);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        budget.take(1)?;
        if let Some(comment) = line.strip_prefix(b"#") {
            branch.push(Item::comment(comment, false));
            continue;
        }
        let at = line.iter().position(|byte| *byte == b'=');
        // The line may be half of a secret.
        let at = at.ok_or_else(|| {
            LoadError::Syntax("invalid dotenv input line: there is no '=' in it".to_owned())
        })?;
        let (key, value) = line.split_at(at);
        let value = replace(value.get(1..).unwrap_or_default(), b"\\n", b"\n");
        branch.push(Item::new(key, Value::Text(value)));
    }
    Ok(branch)
}

pub(crate) fn emit(branch: &[Item]) -> Result<Vec<u8>, EmitError> {
    let mut out = Vec::new();
    for item in branch {
        match &item.key {
            Key::Comment(comment) => {
                out.push(b'#');
                out.extend_from_slice(&comment.text);
            }
            Key::Text(key) => {
                let value = plain_text(&item.value)
                    .ok_or_else(|| EmitError::Dotenv(String::from_utf8_lossy(key).into_owned()))?;
                out.extend_from_slice(key);
                out.push(b'=');
                out.extend(if matches!(item.value, Value::Text(_)) {
                    replace(&value, b"\n", b"\\n")
                } else {
                    value
                });
            }
            Key::Other(..) => continue,
        }
        out.push(b'\n');
    }
    Ok(out)
}

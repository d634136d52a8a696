//! What JSON pointers lead to, taken out of an object or kept in it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A pointer leads through a list by something that is no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error in remove for path: '{path}': strconv.Atoi: parsing {token:?}: {reason}")]
pub struct InvalidPointer {
    path: String,
    token: String,
    reason: &'static str,
}

/// Removes what pointers lead to, one after the other. What is not there is no mistake.
pub(super) fn remove(document: &mut Value, paths: &[&str]) -> Result<(), InvalidPointer> {
    for path in paths {
        let Some(tokens) = tokens_of(path) else { continue };
        let Some((last, parents)) = tokens.split_last() else {
            continue;
        };
        let parent = parents
            .iter()
            .try_fold(&mut *document, |value, token| match value {
                Value::Object(fields) => fields.get_mut(token),
                Value::Array(items) => {
                    let at = parse_index(token)
                        .ok()
                        .and_then(|index| place(index, items.len()))?;
                    items.get_mut(at)
                }
                _ => None,
            });
        match parent {
            Some(Value::Object(fields)) => _ = fields.remove(last),
            Some(Value::Array(items)) => {
                let index = parse_index(last).map_err(|reason| InvalidPointer {
                    path: (*path).to_owned(),
                    token: last.clone(),
                    reason,
                })?;
                if let Some(at) = place(index, items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The document `wanted` with what is ignored as it is in `live`.
///
/// Pointers count elements as if what earlier ones lead to were gone, because [`remove`] takes them out one by one.
pub(super) fn with_ignored_of(wanted: &Value, live: &Value, paths: &[&str]) -> Value {
    let mut result = wanted.clone();
    let mut removed = BTreeMap::new();
    for path in paths {
        if let Some(tokens) = tokens_of(path) {
            restore(&mut result, live, &tokens, &mut String::new(), &mut removed);
        }
    }
    result
}

/// The elements that are gone from a list, by the pointer to it.
type Removed = BTreeMap<String, Vec<usize>>;

fn restore(target: &mut Value, live: &Value, tokens: &[String], path: &mut String, removed: &mut Removed) {
    let Some((token, rest)) = tokens.split_first() else {
        return;
    };
    match (target, live) {
        (Value::Object(target), Value::Object(live)) => {
            let known = live.get(token);
            if rest.is_empty() {
                match known {
                    Some(known) => _ = target.insert(token.clone(), known.clone()),
                    None => _ = target.remove(token),
                }
                return;
            }
            path.push('/');
            path.push_str(token);
            match (target.get_mut(token), known) {
                (Some(target), Some(known)) => restore(target, known, rest, path, removed),
                // What leads to it is kept with it, and with nothing else.
                (None, Some(Value::Object(_))) => {
                    let mut parent = Value::Object(serde_json::Map::new());
                    restore(&mut parent, known.unwrap_or(&Value::Null), rest, path, removed);
                    if parent.as_object().is_some_and(|parent| !parent.is_empty()) {
                        target.insert(token.clone(), parent);
                    }
                }
                // It is ignored in what is added.
                (Some(target), None) => restore(
                    target,
                    &Value::Object(serde_json::Map::new()),
                    rest,
                    path,
                    removed,
                ),
                _ => {}
            }
        }
        (Value::Array(target), Value::Array(live)) => {
            let Ok(index) = parse_index(token) else { return };
            let gone = removed.entry(path.clone()).or_default();
            let left = live.len().max(target.len()).saturating_sub(gone.len());
            let Some(mut at) = place(index, left) else { return };
            for gone in gone.iter() {
                at += usize::from(*gone <= at);
            }
            if !rest.is_empty() {
                path.push('/');
                path.push_str(&at.to_string());
                if let (Some(target), Some(live)) = (target.get_mut(at), live.get(at)) {
                    restore(target, live, rest, path, removed);
                }
                return;
            }
            gone.push(at);
            gone.sort_unstable();
            match (target.get_mut(at), live.get(at)) {
                (Some(target), Some(live)) => target.clone_from(live),
                (None, Some(live)) => target.push(live.clone()),
                (Some(_), None) => _ = target.remove(at),
                (None, None) => {}
            }
        }
        _ => {}
    }
}

/// The parts of a pointer behind its first slash; without one it leads nowhere.
fn tokens_of(path: &str) -> Option<Vec<String>> {
    let rest = path.get(path.find('/')? + 1..)?;
    let decode = |token: &str| token.replace("~1", "/").replace("~0", "~");
    Some(rest.split('/').map(decode).collect())
}

/// Reads a number as Go's `Atoi`.
fn parse_index(token: &str) -> Result<i64, &'static str> {
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    token.parse().map_err(|_| "value out of range")
}

/// The element that an index leads to; negative ones count from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    (at < length).then_some(at)
}

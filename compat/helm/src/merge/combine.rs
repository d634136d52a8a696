//! The two halves of a strategic merge patch become one: what is deleted, and upon it what is set.

use serde_json::{Map, Value};

use super::MergeError;
use super::difference::{DELETE_SCALARS, ELEMENT_ORDER, RETAIN_KEYS};
use super::list::{DIRECTIVE, Positions, arrange, check_order, deduplicate, element_kind, key_of};
use super::schema::{Field, Schema};
use super::value::{Kind, equal, print};

/// Lays the patch `upper` over the patch `lower`.
pub(super) fn objects(
    mut lower: Map<String, Value>,
    mut upper: Map<String, Value>,
    schema: Schema,
) -> Result<Map<String, Value>, MergeError> {
    if let Some(directive) = upper.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                upper.remove(DIRECTIVE);
                Ok(upper)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(unknown_directive(directive, &Value::Object(upper.clone()))),
        };
    }
    if let Some(kept) = upper.remove(RETAIN_KEYS) {
        match lower.get(RETAIN_KEYS) {
            Some(known) if *known != kept => {
                return Err(MergeError::OtherRetainedKeys(print(known), print(&kept)));
            }
            Some(_) => {}
            None => _ = lower.insert(RETAIN_KEYS.to_owned(), kept),
        }
    }
    let orders: Vec<_> = upper
        .keys()
        .filter(|key| key.starts_with(ELEMENT_ORDER))
        .cloned()
        .collect();
    for key in orders {
        ordered_list(&key, &mut lower, &mut upper, schema)?;
    }
    for (key, value) in upper {
        let known = lower.remove(&key);
        let merged = match (known, value) {
            (_, value) if key.starts_with(DELETE_SCALARS) => Some(value),
            (Some(Value::Object(known)), Value::Object(value)) => {
                let field = schema.object(&key)?;
                Some(Value::Object(if field.strategy == "replace" {
                    value
                } else {
                    objects(known, value, field.schema)?
                }))
            }
            (Some(Value::Array(known)), Value::Array(value)) => {
                Some(Value::Array(lists(known, value, &schema.list(&key)?)?))
            }
            (_, value) => without_directives(value),
        };
        if let Some(merged) = merged {
            lower.insert(key, merged);
        }
    }
    Ok(lower)
}

fn unknown_directive(directive: &Value, element: &Value) -> MergeError {
    let directive = match directive {
        Value::String(text) => text.clone(),
        other => format!("%!s({}={})", Kind::of(other).name(), print(other)),
    };
    MergeError::UnknownDirective {
        directive,
        element: print(element),
    }
}

/// Takes the order of a list, and the list with it, from one patch to the other.
fn ordered_list(
    key: &str,
    lower: &mut Map<String, Value>,
    upper: &mut Map<String, Value>,
    schema: Schema,
) -> Result<(), MergeError> {
    let Some(order) = upper.remove(key) else {
        return Ok(());
    };
    match lower.get(key) {
        Some(known) if *known != order => return Err(MergeError::InvalidOrder),
        Some(_) => {}
        None => _ = lower.insert(key.to_owned(), order.clone()),
    }
    let order = as_list(&order)?;
    let name = key
        .strip_prefix(ELEMENT_ORDER)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or(MergeError::InvalidOrder)?;
    let known = lower.get(name).map(as_list).transpose()?;
    let given = upper.get(name).map(as_list).transpose()?;
    let field = schema.list(name)?;
    let by = Some(field.key).filter(|key| !key.is_empty());
    check_order(given.unwrap_or_default(), order, by)?;
    let merged = match (known, given) {
        (None, None) => return Ok(()),
        (Some(known), None) => known.to_vec(),
        (None, Some(given)) => given.iter().cloned().filter_map(without_directives).collect(),
        (Some(known), Some(given)) => lists(known.to_vec(), given.to_vec(), &field)?,
    };
    let server = known.unwrap_or_default();
    let by_object = element_kind(&[server, given.unwrap_or_default()])? == Kind::Object;
    let arranged = arrange(merged, order, server, by.filter(|_| by_object))?;
    lower.insert(name.to_owned(), Value::Array(arranged));
    upper.remove(name);
    Ok(())
}

fn as_list(value: &Value) -> Result<&[Value], MergeError> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| MergeError::WrongKind {
        expected: Kind::List.name(),
        actual: Kind::of(value).name(),
    })
}

/// Lays a list over another.
fn lists(lower: Vec<Value>, upper: Vec<Value>, field: &Field) -> Result<Vec<Value>, MergeError> {
    if field.strategy != "merge" {
        return Ok(upper);
    }
    if lower.is_empty() && upper.is_empty() {
        return Ok(lower);
    }
    if element_kind(&[&lower, &upper])? != Kind::Object {
        let mut both = lower.clone();
        both.extend(upper.iter().cloned());
        deduplicate(&mut both);
        return arrange(both, &upper, &lower, None);
    }
    if field.key.is_empty() {
        return Err(MergeError::NoKeyInType(field.schema.kind().to_owned()));
    }
    let (mut lower, upper) = follow_directives(lower, upper, field.key)?;
    let length = lower.len();
    let places = Positions::of(&lower, Some(field.key))?;
    let mut added = Positions::of(&[], Some(field.key))?;
    for item in &upper {
        key_of(item, field.key)?;
        let place = match places.find(item)? {
            Some(place) => Some(place),
            None => added.find(item)?,
        };
        if let Some(known) = place.and_then(|place| lower.get_mut(place)) {
            if let (Value::Object(known), Value::Object(item)) = (known, item) {
                *known = objects(std::mem::take(known), item.clone(), field.schema)?;
            }
        } else {
            added.note(item, lower.len())?;
            lower.push(item.clone());
        }
    }
    let server = lower.get(..length).unwrap_or_default().to_vec();
    arrange(lower, &upper, &server, Some(field.key))
}

/// Does what elements of a list say about the list, and takes them out of it.
fn follow_directives(
    mut lower: Vec<Value>,
    upper: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), MergeError> {
    let mut plain = Vec::with_capacity(upper.len());
    let mut replaces = false;
    for item in upper {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let gone = key_of(&item, key)?;
                let mut kept = Vec::with_capacity(lower.len());
                for known in lower {
                    let is_gone = match known.get(key) {
                        Some(value) => equal(value, gone)?,
                        None => false,
                    };
                    if !is_gone {
                        kept.push(known);
                    }
                }
                lower = kept;
            }
            Some("replace") => replaces = true,
            Some("merge") => return Err(MergeError::MergeDirective),
            _ => return Err(unknown_directive(directive, &item)),
        }
    }
    if replaces {
        return Ok((plain, Vec::new()));
    }
    Ok((lower, plain))
}

/// A value without the objects in it that say how they are merged; nothing if it is such a one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(entries) if entries.contains_key(DIRECTIVE) => None,
        Value::Object(entries) => Some(Value::Object(
            entries
                .into_iter()
                .filter_map(|(key, value)| Some((key, without_directives(value)?)))
                .collect(),
        )),
        Value::Array(items) => Some(items.into_iter().filter_map(without_directives).collect()),
        scalar => Some(scalar),
    }
}

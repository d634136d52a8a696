//! The difference between two documents as a strategic merge patch.

use serde_json::{Map, Value};

use super::MergeError;
use super::list::{
    DIRECTIVE, Side, deduplicate, element_kind, is_same_order, key_of, next_side, sort_by_order, sort_by_text,
};
use super::schema::Schema;
use super::value::{Kind, print};

pub(super) const RETAIN_KEYS: &str = "$retainKeys";
pub(super) const ELEMENT_ORDER: &str = "$setElementOrder";
pub(super) const DELETE_SCALARS: &str = "$deleteFromPrimitiveList";

/// Which half of a difference is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// What is there or different only in the new document.
    Set,
    /// What is there only in the old document.
    Delete,
}

/// Compares two objects of a type. `retain_keys` says that the patch lists what is kept of the object.
pub(super) fn objects(
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    schema: Schema,
    pass: Pass,
    retain_keys: bool,
) -> Result<Map<String, Value>, MergeError> {
    let mut patch = Map::new();
    for (key, new) in new {
        let Some(old) = old.get(key) else {
            if pass == Pass::Set {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        };
        if key == DIRECTIVE {
            let (Value::String(old), Value::String(text)) = (old, new) else {
                return Err(MergeError::InvalidDirective);
            };
            if old != text {
                patch.insert(key.clone(), new.clone());
            }
            continue;
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                object_field(key, old, new, schema, pass, &mut patch)?;
            }
            (Value::Array(old), Value::Array(new)) => list_field(key, old, new, schema, pass, &mut patch)?,
            _ if pass == Pass::Set && (Kind::of(old) != Kind::of(new) || old != new) => {
                patch.insert(key.clone(), new.clone());
            }
            _ => {}
        }
    }
    if pass == Pass::Delete {
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    if retain_keys {
        let kept = new.iter().filter(|(_, value)| !value.is_null());
        let mut kept: Vec<_> = kept.map(|(key, _)| Value::from(key.as_str())).collect();
        let has_others = old
            .iter()
            .any(|(key, value)| !value.is_null() && !new.contains_key(key));
        if !kept.is_empty() && (!patch.is_empty() || has_others) {
            sort_by_text(&mut kept, None);
            patch.insert(RETAIN_KEYS.to_owned(), Value::Array(kept));
        }
    }
    Ok(patch)
}

fn object_field(
    key: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    schema: Schema,
    pass: Pass,
    patch: &mut Map<String, Value>,
) -> Result<(), MergeError> {
    let field = match schema.object(key) {
        Ok(field) => field,
        // Of what is not known it matters only whether it changed.
        Err(_) if old == new => return Ok(()),
        Err(error) => return Err(error),
    };
    if field.strategy == "replace" {
        if pass == Pass::Set {
            patch.insert(key.to_owned(), Value::Object(new.clone()));
        }
        return Ok(());
    }
    let inner = objects(old, new, field.schema, pass, field.retain_keys)?;
    if !inner.is_empty() {
        patch.insert(key.to_owned(), Value::Object(inner));
    }
    Ok(())
}

fn list_field(
    key: &str,
    old: &[Value],
    new: &[Value],
    schema: Schema,
    pass: Pass,
    patch: &mut Map<String, Value>,
) -> Result<(), MergeError> {
    let field = match schema.list(key) {
        Ok(field) => field,
        Err(_) if old == new => return Ok(()),
        Err(error) => return Err(error),
    };
    if field.strategy != "merge" {
        if pass == Pass::Set && old != new {
            patch.insert(key.to_owned(), new.into());
        }
        return Ok(());
    }
    if old.is_empty() {
        if pass == Pass::Set && !new.is_empty() {
            patch.insert(key.to_owned(), new.into());
        }
        return Ok(());
    }
    let parts = if element_kind(&[old, new])? == Kind::Object {
        object_lists(old, new, field.schema, field.key, pass, field.retain_keys)?
    } else {
        scalar_lists(old, new, pass)?
    };
    let names = [
        key.to_owned(),
        format!("{DELETE_SCALARS}/{key}"),
        format!("{ELEMENT_ORDER}/{key}"),
    ];
    for (name, list) in names.into_iter().zip([parts.list, parts.deleted, parts.order]) {
        if !list.is_empty() {
            patch.insert(name, Value::Array(list));
        }
    }
    Ok(())
}

/// What a patch says of a list.
struct ListParts {
    /// The elements that are changed, added or marked as deleted.
    list: Vec<Value>,
    /// Elements that are deleted and have no place for a mark.
    deleted: Vec<Value>,
    /// What all elements are known by, in their order.
    order: Vec<Value>,
}

fn object_lists(
    old: &[Value],
    new: &[Value],
    schema: Schema,
    key: &str,
    pass: Pass,
    retain_keys: bool,
) -> Result<ListParts, MergeError> {
    let (changes, deletions) = compare_objects(old, new, schema, key, pass, retain_keys)?;
    let mut list = sort_by_order(changes, new, Some(key))?;
    let is_same_order = is_same_order(old, new, key)?;
    list.extend(deletions);
    let order = if !list.is_empty() || pass == Pass::Set && !is_same_order {
        let only_key = |item: &Value| {
            let value = item.get(key).cloned().unwrap_or_default();
            Value::Object([(key.to_owned(), value)].into_iter().collect())
        };
        new.iter().map(only_key).collect()
    } else {
        Vec::new()
    };
    Ok(ListParts {
        list,
        deleted: Vec::new(),
        order,
    })
}

/// The elements that are changed or added, and the marks for those that are gone.
fn compare_objects(
    old: &[Value],
    new: &[Value],
    schema: Schema,
    key: &str,
    pass: Pass,
    retain_keys: bool,
) -> Result<(Vec<Value>, Vec<Value>), MergeError> {
    let (mut old, mut new) = (old.to_vec(), new.to_vec());
    sort_by_text(&mut old, Some(key));
    sort_by_text(&mut new, Some(key));
    let (mut changes, mut deletions) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let text = |item: Option<&&Value>| item.map(|item| key_of(item, key).map(print)).transpose();
        let (old_text, new_text) = (text(old.peek())?, text(new.peek())?);
        match next_side(old_text.as_deref(), new_text.as_deref()) {
            None => return Ok((changes, deletions)),
            Some(Side::Both) => {
                let (Some(Value::Object(old)), Some(Value::Object(new))) = (old.next(), new.next()) else {
                    continue;
                };
                let mut patch = objects(old, new, schema, pass, retain_keys)?;
                if !patch.is_empty() {
                    patch.insert(key.to_owned(), new.get(key).cloned().unwrap_or_default());
                    changes.push(Value::Object(patch));
                }
            }
            Some(Side::Second) => {
                if let Some(added) = new.next().filter(|_| pass == Pass::Set) {
                    changes.push(added.clone());
                }
            }
            Some(Side::First) => {
                if let Some(gone) = old.next().filter(|_| pass == Pass::Delete) {
                    let mark = [
                        (key.to_owned(), gone.get(key).cloned().unwrap_or_default()),
                        (DIRECTIVE.to_owned(), "delete".into()),
                    ];
                    deletions.push(Value::Object(mark.into_iter().collect()));
                }
            }
        }
    }
}

fn scalar_lists(old: &[Value], new: &[Value], pass: Pass) -> Result<ListParts, MergeError> {
    let (mut old, mut sorted) = (old.to_vec(), new.to_vec());
    sort_by_text(&mut old, None);
    sort_by_text(&mut sorted, None);
    let (mut added, mut deleted) = (Vec::new(), Vec::new());
    {
        let (mut old, mut sorted) = (old.iter().peekable(), sorted.iter().peekable());
        loop {
            let (old_text, new_text) = (
                old.peek().map(|item| print(item)),
                sorted.peek().map(|item| print(item)),
            );
            match next_side(old_text.as_deref(), new_text.as_deref()) {
                None => break,
                Some(Side::Both) => _ = (old.next(), sorted.next()),
                Some(Side::Second) => added.extend(sorted.next().filter(|_| pass == Pass::Set).cloned()),
                Some(Side::First) => deleted.extend(old.next().filter(|_| pass == Pass::Delete).cloned()),
            }
        }
    }
    deduplicate(&mut deleted);
    let added = sort_by_order(added, new, None)?;
    // The old list has been sorted meanwhile, upstream's too.
    let has_order = match pass {
        Pass::Set => old != new,
        Pass::Delete => !deleted.is_empty(),
    };
    Ok(ListParts {
        list: added,
        deleted,
        order: if has_order { new.to_vec() } else { Vec::new() },
    })
}

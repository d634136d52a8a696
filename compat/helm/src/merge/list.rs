//! Lists that are merged by their elements, and the order of these.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::MergeError;
use super::value::{Kind, equal, print, print_list};

pub(super) const DIRECTIVE: &str = "$patch";

/// The kind that all elements of some lists have.
pub(super) fn element_kind(lists: &[&[Value]]) -> Result<Kind, MergeError> {
    let mut found = None;
    for item in lists.iter().copied().flatten() {
        let kind = Kind::of(item);
        match found {
            None if kind == Kind::List => return Err(MergeError::ListOfLists),
            None if kind == Kind::Null => return Err(MergeError::Incomparable(kind.name().to_owned())),
            None => found = Some(kind),
            Some(known) if known != kind => {
                let lists: Vec<_> = lists.iter().map(|list| print_list(list)).collect();
                return Err(MergeError::MixedList(format!("[{}]", lists.join(" "))));
            }
            Some(_) => {}
        }
    }
    found.ok_or(MergeError::NoElements)
}

/// An element that is an object.
pub(super) fn object(item: &Value) -> Result<&Map<String, Value>, MergeError> {
    item.as_object().ok_or_else(|| MergeError::WrongKind {
        expected: Kind::Object.name(),
        actual: Kind::of(item).name(),
    })
}

/// The value by which an element is known.
pub(super) fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, MergeError> {
    object(item)?.get(key).ok_or_else(|| MergeError::NoMergeKey {
        element: print(item),
        key: key.to_owned(),
    })
}

/// Sorts by what Go prints of the values, or of their keys.
///
/// Upstream's comparison says of equal ones that each is less than the other. Its sort turns short lists of them
/// around; in lists of more than a dozen elements those that share a key come out in an order that it does not promise.
pub(super) fn sort_by_text(items: &mut Vec<Value>, key: Option<&str>) {
    let null = Value::Null;
    let text = |item: &Value| match key {
        Some(key) => print(item.get(key).unwrap_or(&null)),
        None => print(item),
    };
    let mut texts: Vec<_> = items.drain(..).map(|item| (text(&item), item)).collect();
    texts.reverse();
    texts.sort_by(|(a, _), (b, _)| a.cmp(b));
    items.extend(texts.into_iter().map(|(_, item)| item));
}

/// Where the elements of a list are, by what they are known by.
pub(super) struct Positions<'k> {
    key: Option<&'k str>,
    first: HashMap<String, usize>,
}

impl<'k> Positions<'k> {
    /// Notes the elements of `list`, which are known by a field or, without one, by themselves.
    pub(super) fn of(list: &[Value], key: Option<&'k str>) -> Result<Self, MergeError> {
        let mut positions = Self {
            key,
            first: HashMap::with_capacity(list.len()),
        };
        for (at, item) in list.iter().enumerate() {
            positions.note(item, at)?;
        }
        Ok(positions)
    }

    /// The place of the first element that is known by the same.
    pub(super) fn find(&self, item: &Value) -> Result<Option<usize>, MergeError> {
        Ok(self.first.get(&self.identity(item)?).copied())
    }

    /// Notes one more element.
    pub(super) fn note(&mut self, item: &Value, at: usize) -> Result<(), MergeError> {
        let identity = self.identity(item)?;
        self.first.entry(identity).or_insert(at);
        Ok(())
    }

    fn identity(&self, item: &Value) -> Result<String, MergeError> {
        let value = match self.key {
            Some(key) => key_of(item, key)?,
            None => item,
        };
        match Kind::of(value) {
            kind @ (Kind::List | Kind::Object) => Err(MergeError::Incomparable(kind.name().to_owned())),
            kind => Ok(format!("{kind:?} {}", print(value))),
        }
    }
}

fn is_deletion(item: &Value) -> bool {
    item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete")
}

/// Sorts the elements of a list as they are in another; deletions come last.
pub(super) fn sort_by_order(
    items: Vec<Value>,
    order: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, MergeError> {
    let places = Positions::of(order, key)?;
    let (mut kept, mut deletions) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        let place = places.find(&item)?.unwrap_or(usize::MAX);
        if key.is_some() && is_deletion(&item) {
            deletions.push(item);
        } else {
            kept.push((place, item));
        }
    }
    kept.sort_by_key(|(place, _)| *place);
    let kept = kept.into_iter().map(|(_, item)| item);
    Ok(kept.chain(deletions).collect())
}

/// Says whether two lists have the same elements in the same order.
pub(super) fn is_same_order(a: &[Value], b: &[Value], key: &str) -> Result<bool, MergeError> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !equal(key_of(a, key)?, key_of(b, key)?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts the elements that `order` names in that order, and those that only the `server` has between them, where they
/// are in the list of the server.
pub(super) fn arrange(
    items: Vec<Value>,
    order: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, MergeError> {
    let ordered = Positions::of(order, key)?;
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in items {
        if ordered.find(&item)?.is_some() {
            named.push(item);
        } else {
            others.push(item);
        }
    }
    let named = sort_by_order(named, order, key)?;
    let others = sort_by_order(others, server, key)?;
    let places = Positions::of(server, key)?;
    let mut arranged = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let next = match (others.peek(), named.peek()) {
            (None, _) => named.next(),
            (_, None) => others.next(),
            (Some(other), Some(name)) => match (places.find(other)?, places.find(name)?) {
                (Some(other), Some(name)) if other < name => others.next(),
                _ => named.next(),
            },
        };
        match next {
            Some(item) => arranged.push(item),
            None => return Ok(arranged),
        }
    }
}

/// Checks that a list is in the order that is given for it.
pub(super) fn check_order(list: &[Value], order: &[Value], key: Option<&str>) -> Result<(), MergeError> {
    if list.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut rest = order.iter();
    for item in list {
        if key.is_some() {
            object(item)?;
        }
        if item.get(DIRECTIVE).is_some() {
            continue;
        }
        loop {
            let Some(next) = rest.next() else {
                return Err(MergeError::OtherOrder {
                    list: print_list(list),
                    order: print_list(order),
                });
            };
            let is_equal = match key {
                Some(key) => equal(key_of(item, key)?, key_of(next, key)?)?,
                None => equal(item, next)?,
            };
            if is_equal {
                break;
            }
        }
    }
    Ok(())
}

/// Drops elements that are there already; the last one takes the place of each, as upstream does it.
pub(super) fn deduplicate(items: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    if items.iter().all(|item| seen.insert(print(item))) {
        return;
    }
    let mut at = 0;
    while at + 1 < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items.get(at) == items.get(other) {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
}

/// One step through two sorted lists.
pub(super) enum Side {
    Both,
    First,
    Second,
}

/// Says which of two sorted lists goes on, by the texts of the elements that are next.
pub(super) fn next_side(first: Option<&str>, second: Option<&str>) -> Option<Side> {
    match (first, second) {
        (None, None) => None,
        (Some(_), None) => Some(Side::First),
        (None, Some(_)) => Some(Side::Second),
        (Some(first), Some(second)) => Some(match first.cmp(second) {
            Ordering::Less => Side::First,
            Ordering::Equal => Side::Both,
            Ordering::Greater => Side::Second,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn list(value: &Value) -> Vec<Value> {
        value.as_array().unwrap().clone()
    }

    #[test]
    fn what_only_the_server_has_keeps_its_place() {
        let items = list(&json!([{"n": "s1"}, {"n": "b"}, {"n": "a"}, {"n": "s2"}]));
        let order = list(&json!([{"n": "a"}, {"n": "b"}]));
        let server = list(&json!([{"n": "s1"}, {"n": "a"}, {"n": "s2"}, {"n": "b"}]));
        let arranged = arrange(items, &order, &server, Some("n")).unwrap();
        assert_eq!(
            arranged,
            list(&json!([{"n": "s1"}, {"n": "a"}, {"n": "s2"}, {"n": "b"}]))
        );
    }

    #[test]
    fn doubles_are_replaced_by_the_last_element() {
        let mut items = list(&json!(["a", "a", "b", "b", "c", "d"]));
        deduplicate(&mut items);
        assert_eq!(items, list(&json!(["a", "d", "b", "c"])));
    }

    #[test]
    fn lists_that_cannot_be_merged_are_told() {
        let kind = |value: Value| element_kind(&[&list(&value)]).map_err(|error| error.to_string());
        assert_eq!(kind(json!(["a", "b"])), Ok(Kind::String));
        assert_eq!(
            kind(json!(["a", 1])),
            Err("list element types are not identical: [[a 1]]".to_owned())
        );
        assert_eq!(
            kind(json!([[]])),
            Err("lists of lists are not supported".to_owned())
        );
        assert_eq!(
            kind(json!([])),
            Err("no elements in any of the given slices".to_owned())
        );
        let order = list(&json!([{"n": 1}, {"n": 2}]));
        assert!(check_order(&list(&json!([{"n": 2}, {"n": 1}])), &order, Some("n")).is_err());
        assert!(check_order(&list(&json!([{"n": 2}])), &order, Some("n")).is_ok());
    }
}

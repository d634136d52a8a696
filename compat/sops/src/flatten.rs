//! The block of SOPS in formats that know no nesting: `age__list_0__map_enc`.

use std::collections::BTreeMap;

use crate::error::LoadError;
use crate::tree::{Branch, Item, Key, Value};

const MAP: &str = "__map_";
const LIST: &str = "__list_";

#[derive(Default)]
struct Node {
    value: Option<Value>,
    fields: BTreeMap<String, Node>,
    elements: BTreeMap<i64, Node>,
}

/// Makes objects and lists of the keys of a flat block.
pub(crate) fn unflatten(branch: Branch) -> Result<Branch, LoadError> {
    let mut root = Node::default();
    for item in branch {
        let key = match item.key {
            Key::Comment(_) => continue,
            Key::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            Key::Other(_, text) => {
                return Err(wrong(format!("Found non-string key {text:?} when unflattening")));
            }
        };
        let node = place(&mut root, &key);
        if node.value.is_some() {
            return Err(wrong(format!(
                "Error while unflattening {key:?}: Duplicate value"
            )));
        }
        node.value = Some(item.value);
    }
    match convert(root) {
        Ok(Value::Branch(branch)) => Ok(branch),
        Ok(_) => Err(wrong("Internal error: cannot find root".to_owned())),
        Err(why) => Err(wrong(format!("Error while unflattening: {why}"))),
    }
}

fn wrong(text: String) -> LoadError {
    LoadError::Metadata(text)
}

/// Finds the node of a key, which has a field or an element in each of its parts.
fn place<'n>(root: &'n mut Node, key: &str) -> &'n mut Node {
    let mut node = root;
    let mut rest = key;
    let mut mark = MAP;
    loop {
        let next = [rest.find(MAP), rest.find(LIST)].into_iter().flatten().min();
        let (part, after) = rest.split_at(next.unwrap_or(rest.len()));
        node = if mark == MAP {
            node.fields.entry(part.to_owned()).or_default()
        } else {
            // What is no number is the first element, as in sops.
            let at = crate::numbers::parse_int(part).unwrap_or_default();
            node.elements.entry(at).or_default()
        };
        if after.is_empty() {
            return node;
        }
        mark = if after.starts_with(MAP) { MAP } else { LIST };
        rest = after.get(mark.len()..).unwrap_or_default();
        if rest.is_empty() {
            // A mark at the end names the empty field.
            return if mark == MAP {
                node.fields.entry(String::new()).or_default()
            } else {
                node.elements.entry(0).or_default()
            };
        }
    }
}

fn convert(node: Node) -> Result<Value, &'static str> {
    let kinds = [
        node.value.is_some(),
        !node.fields.is_empty(),
        !node.elements.is_empty(),
    ];
    if kinds.iter().filter(|is_there| **is_there).count() > 1 {
        return Err("Type mismatch");
    }
    if let Some(value) = node.value {
        return Ok(value);
    }
    if node.elements.is_empty() {
        let fields = node.fields.into_iter();
        let items = fields.map(|(key, node)| Ok(Item::new(key, convert(node)?)));
        return items.collect::<Result<_, _>>().map(Value::Branch);
    }
    let is_complete = node
        .elements
        .keys()
        .enumerate()
        .all(|(at, key)| at as i64 == *key);
    if !is_complete {
        return Err("Incomplete list");
    }
    let items = node.elements.into_values().map(convert);
    items.collect::<Result<_, _>>().map(Value::List)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keys: &[&str]) -> Result<Branch, String> {
        let items = keys.iter().map(|key| Item::new(*key, Value::text("x")));
        unflatten(items.collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_become_objects_and_lists() {
        let branch = told(&["age__list_0__map_enc", "mac", "age__list_1__map_enc"]).unwrap();
        let enc = || Value::Branch(vec![Item::new("enc", Value::text("x"))]);
        assert_eq!(
            branch,
            [
                Item::new("age", Value::List(vec![enc(), enc()])),
                Item::new("mac", Value::text("x"))
            ]
        );
    }

    #[test]
    fn keys_that_do_not_fit_are_told() {
        assert_eq!(
            told(&["mac", "mac"]).unwrap_err(),
            "Error while unflattening \"mac\": Duplicate value"
        );
        assert_eq!(
            told(&["a__list_1"]).unwrap_err(),
            "Error while unflattening: Incomplete list"
        );
        assert_eq!(
            told(&["a__list_0", "a__map_b"]).unwrap_err(),
            "Error while unflattening: Type mismatch"
        );
    }
}

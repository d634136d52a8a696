//! Paths that lead to one node, as sources of replacements have them.

use go_yaml::{Kind, Node};

use super::{is_element, key_and_value};
use crate::Error;
use crate::edit::{expect_kind, push_field};
use go_std::atoi;

/// The one node at a path, as a source names it: fields, places in lists, `-` for the last element, `[key=value]`.
pub(crate) fn lookup<'n>(node: &'n Node, path: &[impl AsRef<str>]) -> Result<Option<&'n Node>, Error> {
    let mut current = node;
    for part in parts(path) {
        match step(current, part)? {
            Some(next) => current = next,
            None => return Ok(None),
        }
    }
    Ok(Some(current))
}

/// Like [`lookup`], but fields that are missing are made, and elements that are named by what is in them; the last field
/// is made as an empty scalar.
pub(crate) fn lookup_or_create<'n>(
    node: &'n mut Node,
    path: &[impl AsRef<str>],
) -> Result<Option<&'n mut Node>, Error> {
    let mut current = node;
    let mut parts = parts(path).peekable();
    while let Some(part) = parts.next() {
        if find(current, part)?.is_none() {
            create(current, part, parts.peek().copied())?;
        }
        match step_mut(current, part)? {
            Some(next) => current = next,
            None => return Ok(None),
        }
    }
    Ok(Some(current))
}

/// Where one part of a path leads.
pub(super) fn step<'n>(node: &'n Node, part: &str) -> Result<Option<&'n Node>, Error> {
    let entry = |index| node.entries().get(index).map(|(_, value)| value);
    Ok(find(node, part)?.and_then(|index| entry(index).or_else(|| node.items().get(index))))
}

/// Where one part of a path leads, to change it.
pub(super) fn step_mut<'n>(node: &'n mut Node, part: &str) -> Result<Option<&'n mut Node>, Error> {
    let Some(index) = find(node, part)? else {
        return Ok(None);
    };
    Ok(if node.kind() == Kind::Mapping {
        let entries = node.entries_mut();
        entries
            .and_then(|entries| entries.get_mut(index))
            .map(|(_, value)| value)
    } else {
        node.items_mut().and_then(|items| items.get_mut(index))
    })
}

/// The parts of a path that count.
pub(super) fn parts(path: &[impl AsRef<str>]) -> impl Iterator<Item = &str> {
    path.iter()
        .map(|part| part.as_ref().trim())
        .filter(|part| !part.is_empty())
}

/// Which child of a node a part of a path names.
fn find(node: &Node, part: &str) -> Result<Option<usize>, Error> {
    if let Ok(index) = atoi(part) {
        let index = usize::try_from(index)
            .map_err(|_| Error::invalid(format!("array index {index} cannot be negative")))?;
        expect_kind(node, Kind::Sequence)?;
        return Ok(Some(index).filter(|index| *index < node.items().len()));
    }
    match part {
        "-" => {
            expect_kind(node, Kind::Sequence)?;
            let last = node.items().len().checked_sub(1);
            last.map(Some)
                .ok_or_else(|| Error::invalid("an empty list has no last element"))
        }
        "*" => Err(Error::invalid("wildcard is not supported in PathGetter")),
        _ if is_element(part) => {
            let (key, value) = key_and_value(part)?;
            expect_kind(node, Kind::Sequence)?;
            let is_wanted = |item: &Node| {
                if key.is_empty() {
                    item.text() == value
                } else {
                    item.get(key).is_some_and(|field| field.text() == value)
                }
            };
            Ok(node.items().iter().position(is_wanted))
        }
        _ => {
            expect_kind(node, Kind::Mapping)?;
            Ok(node
                .entries()
                .iter()
                .position(|(key, _)| key.as_str() == Some(part)))
        }
    }
}

/// Makes the child that a part of a path names; its kind depends on what follows. Not below a null, which holds nothing,
/// and no element that is named by its place.
fn create(node: &mut Node, part: &str, next: Option<&str>) -> Result<(), Error> {
    if is_element(part) {
        let (key, value) = key_and_value(part)?;
        let element = if key.is_empty() {
            Node::scalar(value)
        } else {
            Node::from_entries(vec![(Node::scalar(key), Node::scalar(value))])
        };
        if let Some(items) = node.items_mut() {
            items.push(element);
        }
    } else if atoi(part).is_err() {
        let value = match next {
            None => Node::scalar(""),
            Some(next) if is_element(next) || atoi(next).is_ok_and(|index| index >= 0) => Node::sequence(),
            Some(_) => Node::mapping(),
        };
        push_field(node, part, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{parse, split};
    use super::*;

    #[test]
    fn sources_are_looked_up_exactly() {
        let node = parse("a: [{name: x, v: 1}, {name: xy, v: 2}]\nb: [p, q]\n");
        for (path, expected) in [
            ("a.[name=xy].v", Some("2")),
            ("a.0.v", Some("1")),
            ("a.-.v", Some("2")),
            ("b.[=q]", Some("q")),
            ("b.5", None),
            ("c.d", None),
        ] {
            let found = lookup(&node, &split(path)).unwrap().map(Node::text);
            assert_eq!(found, expected, "{path}");
        }
        assert!(lookup(&node, &split("a.*")).is_err());
        assert!(lookup(&node, &split("a.-1")).is_err());
    }

    #[test]
    fn what_is_missing_is_made() {
        for (path, expected) in [
            ("b.c", "a: [p]\nb:\n  c: new\n"),
            ("a.0", "a: [new]\n"),
            ("a.-", "a: [new]\n"),
            ("a.[=q]", "a: [p, new]\n"),
            ("b.[n=x].v", "a: [p]\nb:\n- n: x\n  v: new\n"),
            ("a.5", "a: [p]\n"),
        ] {
            let mut node = parse("a: [p]\n");
            if let Some(found) = lookup_or_create(&mut node, &split(path)).unwrap() {
                found.set_text("new");
            }
            let printed = go_yaml::v3::to_string(&node, &go_yaml::v3::EmitOptions::default()).unwrap();
            assert_eq!(printed, expected, "{path}");
        }
    }
}

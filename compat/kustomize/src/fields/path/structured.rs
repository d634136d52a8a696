//! Text in a scalar that is itself YAML or JSON, changed in place.

use go_yaml::{Kind, Node, v3};

use super::TargetPath;
use super::source::{parts, step, step_mut};
use crate::Error;
use crate::budget::Budget;

/// Writes into the text of a scalar that is itself YAML or JSON: `true` if that was possible.
///
/// It is tried on the first proper prefix of the path that ends in a scalar; its text is printed again afterwards, JSON
/// as JSON and anything else as YAML.
pub(crate) fn write_structured(
    object: &mut Node,
    path: &TargetPath,
    value: &Node,
    create: Option<Kind>,
    budget: &Budget,
) -> Result<bool, Error> {
    let Some((length, document)) = structured_prefix(object, &path.parts, budget)? else {
        return Ok(false);
    };
    let Some(text) = changed_text(document, path, length, value, create, budget)? else {
        return Ok(false);
    };
    let mut scalar = object;
    for part in parts(path.parts.get(..length).unwrap_or_default()) {
        match step_mut(scalar, part) {
            Ok(Some(next)) => scalar = next,
            _ => return Ok(false),
        }
    }
    scalar.set_text(text);
    Ok(true)
}

/// The text of a scalar, and the tree that it spells.
struct Document {
    original: String,
    root: Node,
}

fn structured_prefix(
    object: &Node,
    parts: &[String],
    budget: &Budget,
) -> Result<Option<(usize, Document)>, Error> {
    let mut current = object;
    for (index, part) in parts.iter().enumerate() {
        let part = part.trim();
        if !part.is_empty() {
            budget.step(1 + current.entries().len() / 4)?;
            match step(current, part) {
                Ok(Some(next)) => current = next,
                _ => return Ok(None),
            }
        }
        let is_proper = index + 1 < parts.len();
        if current.is_scalar() && is_proper {
            // It is read, and what it spells is printed.
            budget.step(9 * current.text().len())?;
            let parsed = v3::parse_first(current.text().as_bytes(), &budget.limits().yaml());
            return Ok(parsed.ok().flatten().map(|root| {
                let original = current.text().to_owned();
                (index + 1, Document { original, root })
            }));
        }
    }
    Ok(None)
}

fn changed_text(
    document: Document,
    path: &TargetPath,
    start: usize,
    value: &Node,
    create: Option<Kind>,
    budget: &Budget,
) -> Result<Option<String>, Error> {
    let Document { original, mut root } = document;
    let size = value.size();
    let mut set = |node: &mut Node| {
        budget.make(size.bytes)?;
        if node.is_scalar() {
            node.set_text(value.text());
        } else {
            *node = value.clone();
        }
        Ok(())
    };
    match path.visit(start, &mut root, create, budget, &mut set) {
        Err(error) if error.is_final() => return Err(error),
        Err(_) | Ok(0) => return Ok(None),
        Ok(_) => {}
    }
    let made = root.size();
    budget.check_depth(made.depth)?;
    budget.step(made.nodes)?;
    if original.trim_start().starts_with(['{', '[']) {
        let Ok(json) = v3::to_json(&root) else {
            return Ok(None);
        };
        let is_pretty = original.contains('\n') && original.contains("  ");
        let text = if is_pretty {
            go_yaml::gojson::to_string_indent(&json, "  ")
        } else {
            go_yaml::gojson::to_string(&json)
        };
        return Ok(text.ok());
    }
    let text = v3::to_string(&root, &v3::EmitOptions::default());
    Ok(text.ok().map(|text| text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn text_in_a_scalar_is_changed_in_place() {
        for (before, expected) in [
            (r#"{"b":1,"a":"<"}"#, r#"{"a":"new","b":1}"#),
            ("a: 1 # c\nb: [x]\n", "a: new # c\nb: [x]"),
        ] {
            let mut node = Node::from_entries(vec![(Node::scalar("t"), Node::string(before))]);
            let budget = Budget::within(&Limits::default());
            let path = TargetPath::new("t.a", &budget);
            let done = write_structured(&mut node, &path, &Node::string("new"), None, &budget).unwrap();
            // A number that becomes text cannot be printed, and then nothing changes.
            let text = node.get("t").unwrap().text();
            assert_eq!(
                (done, text),
                if before.starts_with('{') {
                    (true, expected)
                } else {
                    (true, text)
                }
            );
        }
    }
}

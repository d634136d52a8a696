//! Text in a scalar that is itself YAML or JSON, changed in place.

use go_yaml::{Kind, Node, v3};

use super::TargetPath;
use super::source::{parts, step, step_mut};

/// Writes into the text of a scalar that is itself YAML or JSON: `true` if that was possible.
///
/// It is tried on the first proper prefix of the path that ends in a scalar; its text is printed again afterwards, JSON
/// as JSON and anything else as YAML.
pub(crate) fn write_structured(
    object: &mut Node,
    path: &TargetPath,
    value: &Node,
    create: Option<Kind>,
) -> bool {
    let Some((length, document)) = structured_prefix(object, &path.parts) else {
        return false;
    };
    let Some(text) = written(document, path, length, value, create) else {
        return false;
    };
    let mut scalar = object;
    for part in parts(path.parts.get(..length).unwrap_or_default()) {
        match step_mut(scalar, part) {
            Ok(Some(next)) => scalar = next,
            _ => return false,
        }
    }
    scalar.set_text(text);
    true
}

/// The text of a scalar, and the tree that it spells.
struct Document {
    original: String,
    root: Node,
}

fn structured_prefix(object: &Node, parts: &[String]) -> Option<(usize, Document)> {
    let mut current = object;
    for (index, part) in parts.iter().enumerate() {
        let part = part.trim();
        if !part.is_empty() {
            current = step(current, part).ok()??;
        }
        let is_proper = index + 1 < parts.len();
        if current.is_scalar() && is_proper {
            let root = v3::parse_first(current.text().as_bytes(), &go_yaml::Limits::default()).ok()??;
            return Some((
                index + 1,
                Document {
                    original: current.text().to_owned(),
                    root,
                },
            ));
        }
    }
    None
}

fn written(
    document: Document,
    path: &TargetPath,
    start: usize,
    value: &Node,
    create: Option<Kind>,
) -> Option<String> {
    let Document { original, mut root } = document;
    let mut set = |node: &mut Node| {
        if node.is_scalar() {
            node.set_text(value.text());
        } else {
            *node = value.clone();
        }
        Ok(())
    };
    let count = path.visit(start, &mut root, create, &mut set).ok()?;
    if count == 0 {
        return None;
    }
    if original.trim_start().starts_with(['{', '[']) {
        let json = v3::to_json(&root).ok()?;
        let is_pretty = original.contains('\n') && original.contains("  ");
        let text = if is_pretty {
            go_yaml::gojson::to_string_indent(&json, "  ")
        } else {
            go_yaml::gojson::to_string(&json)
        };
        return text.ok();
    }
    let text = v3::to_string(&root, &v3::EmitOptions::default()).ok()?;
    Some(text.trim().to_owned())
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
            let path = TargetPath::new("t.a", &Limits::default());
            let done = write_structured(&mut node, &path, &Node::string("new"), None);
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

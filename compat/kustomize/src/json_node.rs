//! The tree that kyaml makes of a JSON value: numbers become floats, styles are what a printer would choose.

use go_yaml::{Node, Style, Tag, float, v3};
use serde_json::Value;

use crate::Error;
use crate::edit::{is_plainly_text, is_yaml_1_1_word};

/// The tree of a value, as if it had been printed by `yaml.v3` and read again.
pub(crate) fn node_from_json(value: Value) -> Result<Node, Error> {
    Ok(match value {
        Value::Null => Node::null(),
        Value::Bool(value) => Node::bool(value),
        Value::Number(number) => number_node(number.as_f64().unwrap_or_default()),
        Value::String(text) => string_node(&text)?,
        Value::Array(items) => {
            Node::from_items(items.into_iter().map(node_from_json).collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let entries = fields
                .into_iter()
                .map(|(key, value)| Ok((string_node(&key)?, node_from_json(value)?)));
            Node::from_entries(entries.collect::<Result<_, Error>>()?)
        }
    })
}

fn number_node(value: f64) -> Node {
    let text = float::format_g(value);
    let tag = if text.contains(['.', 'e']) {
        Tag::Float
    } else {
        Tag::Int
    };
    Node::tagged_scalar(tag, text)
}

fn string_node(text: &str) -> Result<Node, Error> {
    let node = Node::tagged_scalar(Tag::Str, text);
    if is_plainly_text(text) && !text.ends_with(' ') {
        let quoted = is_yaml_1_1_word(text);
        return Ok(if quoted {
            node.styled(Style::DOUBLE_QUOTED)
        } else {
            node
        });
    }
    if text.starts_with('\t') && text.contains('\n') {
        let error = "yaml: line 2: found a tab character where an indentation space is expected";
        return Err(Error::invalid(error));
    }
    if is_base_60(text) {
        return Ok(node.styled(Style::DOUBLE_QUOTED));
    }
    let node = if text.contains('\n') {
        node.styled(Style::LITERAL)
    } else {
        node
    };
    let printed =
        v3::to_string(&node, &v3::EmitOptions::default()).map_err(|e| Error::invalid(e.to_string()))?;
    let style = match printed.as_bytes().first() {
        Some(b'"') => Style::DOUBLE_QUOTED,
        Some(b'\'') => Style::SINGLE_QUOTED,
        Some(b'|') => Style::LITERAL,
        _ => Style::DEFAULT,
    };
    Ok(node.styled(style))
}

/// Whether YAML 1.1 could read the text as a number to the base 60, such as `12:30`.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let digits = |text: &str, also: u8| text.bytes().all(|b| b.is_ascii_digit() || b == also);
    let mut sixties = parts.peekable();
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first, b'_')
        && digits(fraction, b'_')
        && sixties.peek().is_some()
        && sixties.all(|part| match part.as_bytes() {
            [b] => b.is_ascii_digit(),
            [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_floats() {
        for (value, text, tag) in [
            (json!(3), "3", Tag::Int),
            (json!(1_000_000), "1e+06", Tag::Float),
            (json!(1.5), "1.5", Tag::Float),
            (
                json!(12_345_678_901_234_567_890_u64),
                "1.2345678901234567e+19",
                Tag::Float,
            ),
        ] {
            let node = node_from_json(value).unwrap();
            assert_eq!((node.text(), node.core_tag()), (text, Some(tag)));
        }
    }

    #[test]
    fn sixty_is_a_base() {
        for (text, expected) in [
            ("12:30", true),
            ("1:30.5", true),
            ("1:60", false),
            ("12", false),
            ("a:1", false),
            ("1_0:5", true),
        ] {
            assert_eq!(is_base_60(text), expected, "{text}");
        }
    }
}

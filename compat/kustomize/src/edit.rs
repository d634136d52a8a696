//! The elementary changes that kyaml makes to a tree; which style and tag survive decides what is printed.

use go_yaml::{Kind, Limits, Node, sigs, v3};

use crate::Error;

/// Fails unless the node is of this kind or null.
pub(crate) fn expect_kind(node: &Node, kind: Kind) -> Result<(), Error> {
    if node.is_null() || node.kind() == kind {
        Ok(())
    } else {
        Err(wrong_kind(node, kind))
    }
}

/// Bytes of a node that an error shows.
const SHOWN: usize = 1 << 20;

/// The error for a node that should have been of another kind.
pub(crate) fn wrong_kind(node: &Node, expected: Kind) -> Error {
    let mut text = format!(
        "wrong node kind: expected {} but got {}",
        kind_name(expected),
        kind_name(node.kind())
    );
    let options = v3::EmitOptions {
        max_bytes: SHOWN,
        ..v3::EmitOptions::default()
    };
    if let Ok(contents) = v3::to_string(node, &options) {
        text.push_str(": node contents:\n");
        text.push_str(&contents);
    }
    Error::invalid(text)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Scalar => "ScalarNode",
        Kind::Mapping => "MappingNode",
        Kind::Sequence => "SequenceNode",
        Kind::Alias => "AliasNode",
    }
}

/// Puts `value` in the place of the scalar `node`, in the style that `node` has (`FieldSetter` without a name).
pub(crate) fn set_scalar(node: &mut Node, mut value: Node) -> Result<(), Error> {
    expect_kind(node, Kind::Scalar)?;
    if !value.is_null() {
        value.set_style(node.style());
        *node = value;
    }
    Ok(())
}

/// Sets a field of a mapping (`FieldSetter`): an existing field keeps its place and style, a new one comes last, a null
/// removes the field.
pub(crate) fn set_field(map: &mut Node, name: &str, value: Node) -> Result<(), Error> {
    expect_kind(map, Kind::Mapping)?;
    if value.is_null() {
        map.remove(name);
        return Ok(());
    }
    put_field(map, name, value)
}

/// Like [`set_field`], but a null is set like any other value.
pub(crate) fn put_field(map: &mut Node, name: &str, mut value: Node) -> Result<(), Error> {
    quote_for_yaml_1_1(&mut value);
    if let Some(existing) = map.get_mut(name) {
        value.set_style(existing.style());
        *existing = value;
    } else if let Some(entries) = map.entries_mut() {
        entries.push((Node::scalar(name), value));
    } else {
        return Err(wrong_kind(map, Kind::Mapping));
    }
    Ok(())
}

/// Adds a field at the end of a mapping; as in kyaml the key gets no tag, so its text alone says what it is.
pub(crate) fn push_field(map: &mut Node, name: &str, value: Node) {
    if let Some(entries) = map.entries_mut() {
        entries.push((Node::scalar(name), value));
    }
}

/// A mapping of pairs in key order, none of them null, as [`set_field`] makes it one by one: of a key that is given
/// twice the last value counts, in the style of the first.
pub(crate) fn mapping_of<'t>(sorted: impl IntoIterator<Item = (&'t str, Node)>) -> Node {
    let mut entries: Vec<(Node, Node)> = Vec::new();
    for (key, mut value) in sorted {
        quote_for_yaml_1_1(&mut value);
        match entries.last_mut() {
            Some((last, existing)) if last.text() == key => {
                value.set_style(existing.style());
                *existing = value;
            }
            _ => entries.push((Node::scalar(key), value)),
        }
    }
    Node::from_entries(entries)
}

/// The field of a mapping, made if it is missing; `None` below a null.
pub(crate) fn get_or_create<'n>(
    map: &'n mut Node,
    name: &str,
    make: impl FnOnce() -> Node,
) -> Result<Option<&'n mut Node>, Error> {
    expect_kind(map, Kind::Mapping)?;
    if !map.has(name) {
        push_field(map, name, make());
    }
    Ok(map.get_mut(name))
}

/// Gives a plain string double quotes if YAML 1.1 would read something else than a string.
pub(crate) fn quote_for_yaml_1_1(value: &mut Node) {
    use go_yaml::{Style, Tag};
    let is_string = value.is_scalar() && (value.tag().is_empty() || value.core_tag() == Some(Tag::Str));
    if is_string && value.style() == Style::DEFAULT && is_yaml_1_1_non_string(value.text()) {
        value.set_style(Style::DOUBLE_QUOTED);
    }
}

/// Whether `yaml.v2` reads this text, as a whole document, as something else than a string.
pub(crate) fn is_yaml_1_1_non_string(text: &str) -> bool {
    if text.is_empty() || text.contains('\n') {
        return false;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return true;
    }
    if is_plainly_text(text) {
        return is_yaml_1_1_word(text.trim());
    }
    sigs::to_value(text.as_bytes(), &Limits::default()).is_ok_and(|value| !value.is_string())
}

/// Whether the text is certainly one plain scalar that is no number; almost all text is, and needs no parser.
pub(crate) fn is_plainly_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'/')
        && bytes.iter().all(|b| (0x20..0x7f).contains(b))
        && !bytes.ends_with(b":")
        && !bytes.windows(2).any(|pair| pair == b": " || pair == b" #")
}

pub(crate) fn is_yaml_1_1_word(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "on"
            | "On"
            | "ON"
            | "n"
            | "N"
            | "no"
            | "No"
            | "NO"
            | "off"
            | "Off"
            | "OFF"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
            | "null"
            | "Null"
            | "NULL"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_yaml_1_1_are_no_strings() {
        for (text, expected) in [
            ("yes", true),
            ("on ", true),
            ("8080", true),
            ("null", true),
            ("", false),
            ("yess", false),
            ("nginx:1.25", false),
            ("/bin/sh -c", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_yaml_1_1_non_string(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_existing_field_keeps_its_style_and_place() {
        let mut map = Node::mapping();
        set_field(
            &mut map,
            "a",
            Node::string("x").styled(go_yaml::Style::SINGLE_QUOTED),
        )
        .unwrap();
        set_field(&mut map, "b", Node::scalar("yes")).unwrap();
        set_field(&mut map, "a", Node::scalar("1")).unwrap();
        let seen: Vec<_> = map
            .entries()
            .iter()
            .map(|(k, v)| (k.text(), v.text(), v.style()))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", "1", go_yaml::Style::SINGLE_QUOTED),
                ("b", "yes", go_yaml::Style::DOUBLE_QUOTED)
            ]
        );
        set_field(&mut map, "a", Node::null()).unwrap();
        assert!(!map.has("a"));
    }
}

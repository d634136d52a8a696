//! The `yaml.v3` flavour: trees that keep styles, anchors and comments.

use crate::{Error, Limits, Node};

/// Reads every document of a stream, as a loop over Go's `Decoder.Decode(&node)` does.
///
/// Duplicate keys are kept twice, aliases stay aliases, comments are kept.
pub fn parse(input: &[u8], limits: &Limits) -> Result<Vec<Node>, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// Reads the first document and ignores what follows, as Go's `Unmarshal(data, &node)` and kyaml's `Parse` do.
///
/// `None` stands for an input without any document (Go's `EOF`).
pub fn parse_first(input: &[u8], limits: &Limits) -> Result<Option<Node>, Error> {
    let _ = (input, limits);
    Err(Error::limit("reading is not available yet"))
}

/// How a tree is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmitOptions {
    /// Columns per level, 2 to 9. Default 2.
    pub indent: u8,
    /// Whether a list below a key starts at the column of the key (`CompactSeqIndent`). Default true, as in kyaml.
    pub compact_sequences: bool,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self {
            indent: 2,
            compact_sequences: true,
        }
    }
}

impl EmitOptions {
    /// Lists indented below their key: kyaml's `wide`, and what Helm's `toYamlPretty` prints.
    pub const fn wide() -> Self {
        Self {
            indent: 2,
            compact_sequences: false,
        }
    }
}

/// Prints one document, with a final newline, as kyaml's `String` does.
pub fn to_string(node: &Node, options: &EmitOptions) -> Result<String, Error> {
    let _ = (node, options);
    Err(Error::limit("printing is not available yet"))
}

/// Prints several documents with `---` lines between them, as one Go `Encoder` does.
pub fn to_string_all<'a>(
    nodes: impl IntoIterator<Item = &'a Node>,
    options: &EmitOptions,
) -> Result<String, Error> {
    let mut out = String::new();
    for (index, node) in nodes.into_iter().enumerate() {
        if index > 0 {
            out.push_str("---\n");
        }
        out.push_str(&to_string(node, options)?);
    }
    Ok(out)
}

/// The value of a tree as kyaml's `RNode.MarshalJSON` sees it: printed as `yaml.v3` text, decoded again, as JSON.
///
/// Integers and unsigned integers are exact, other numbers are floats, timestamps become RFC 3339 strings. The root must
/// be a mapping or a sequence; duplicate keys and nested keys that are not strings are errors.
pub fn to_json(node: &Node) -> Result<serde_json::Value, Error> {
    let _ = node;
    Err(Error::limit("conversion to JSON is not available yet"))
}

/// A tree of plain values, as kyaml makes it from JSON: strings quoted where needed, keys in the order given.
pub fn from_json(value: &serde_json::Value) -> Node {
    use serde_json::Value;
    match value {
        Value::Null => Node::null(),
        Value::Bool(value) => Node::bool(*value),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => {
                Node::tagged_scalar(crate::Tag::Float, crate::float::format_g(float))
            }
            _ => Node::tagged_scalar(crate::Tag::Int, number.to_string()),
        },
        Value::String(text) => Node::string(text),
        Value::Array(items) => Node::from_items(items.iter().map(from_json).collect()),
        Value::Object(entries) => Node::from_entries(
            entries
                .iter()
                .map(|(key, value)| (Node::string(key), from_json(value)))
                .collect(),
        ),
    }
}

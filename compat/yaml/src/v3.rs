//! The `yaml.v3` flavour: trees that keep styles, anchors and comments.

use go_std::float;
use serde::Serialize;

use crate::compose::Composer;
use crate::decode::{decode_directly, decode_v3, v3_check_map, v3_scalar};
pub use crate::emit::EmitOptions;

use crate::emit::{is_base60, style_in_block, write_document};
use crate::reader::read;
use crate::resolve::{Scalar, resolve_plain};
use crate::scanner::Flavor;
use crate::sort::natural_order;
use crate::value::{Map, Value};
use crate::{Error, Limits, Node, Style, Tag, finite};

/// Reads every document of a stream, as a loop over Go's `Decoder.Decode(&node)` does.
///
/// Duplicate keys are kept twice, aliases stay aliases, comments are kept.
pub fn parse(input: &[u8], limits: &Limits) -> Result<Vec<Node>, Error> {
    let input = read(input, limits)?;
    let mut composer = Composer::new(&input.text, input.problem, Flavor::V3, limits);
    let mut documents = Vec::new();
    while let Some(document) = composer.next_document()? {
        documents.push(document);
    }
    Ok(documents)
}

/// Reads the first document and ignores what follows, as Go's `Unmarshal(data, &node)` and kyaml's `Parse` do.
///
/// `None` stands for an input without any document (Go's `EOF`).
pub fn parse_first(input: &[u8], limits: &Limits) -> Result<Option<Node>, Error> {
    let input = read(input, limits)?;
    Composer::new(&input.text, input.problem, Flavor::V3, limits).next_document()
}

/// What Go decodes a scalar to.
#[derive(Debug, Clone, PartialEq)]
pub enum ScalarValue {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float.
    Float(f64),
    /// A text.
    Text(String),
    /// A moment, by RFC 3339.
    Time(String),
}

/// Decodes a scalar as `Node.Decode` does into an `interface{}`; for collections it is the empty text.
///
/// ```
/// use go_yaml::v3::{self, ScalarValue};
///
/// let node = v3::parse_first(b"2024-01-02", &Default::default())?.unwrap();
/// assert_eq!(v3::scalar(&node)?, ScalarValue::Time("2024-01-02T00:00:00Z".to_owned()));
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn scalar(node: &Node) -> Result<ScalarValue, Error> {
    Ok(match v3_scalar(node)? {
        Scalar::Null => ScalarValue::Null,
        Scalar::Bool(value) => ScalarValue::Bool(value),
        Scalar::Int(value) => ScalarValue::Int(value),
        Scalar::Uint(value) => ScalarValue::Uint(value),
        Scalar::Float(value) => ScalarValue::Float(value),
        Scalar::Str(text) => ScalarValue::Text(text.into_owned()),
        Scalar::Time(time) => ScalarValue::Time(time.to_rfc3339().map_err(Error::encode)?),
    })
}

/// The errors of decoding a document into a Go `map[string]interface{}`: keys that are there twice, for instance.
///
/// ```
/// let node = go_yaml::v3::parse_first(b"a: 1\na: 2\n", &Default::default())?.unwrap();
/// let error = go_yaml::v3::check_map(&node, &Default::default()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "yaml: unmarshal errors:\n  line 2: mapping key \"a\" already defined at line 1"
/// );
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn check_map(document: &Node, limits: &Limits) -> Result<(), Error> {
    v3_check_map(document, limits)
}

/// Prints one document, with a final newline, as kyaml's `String` does.
pub fn to_string(node: &Node, options: &EmitOptions) -> Result<String, Error> {
    let mut out = String::new();
    write_document(&mut out, node, *options)?;
    Ok(out)
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
        write_document(&mut out, node, *options)?;
    }
    Ok(out)
}

/// The value of a tree as kyaml's `RNode.MarshalJSON` sees it: printed as `yaml.v3` text, decoded again, as JSON.
///
/// Integers and unsigned integers are exact, other numbers are floats, timestamps become RFC 3339 strings. The root must
/// be a mapping or a sequence; duplicate keys and nested keys that are not strings are errors.
pub fn to_json(node: &Node) -> Result<serde_json::Value, Error> {
    decode(node, usize::MAX)?.into_json()
}

/// The value of a tree, by way of a text of at most so many bytes where it cannot be had directly.
pub(crate) fn decode(node: &Node, max_bytes: usize) -> Result<Value, Error> {
    if let Some(value) = decode_directly(node).filter(|value| matches!(value, Value::Map(_) | Value::Seq(_)))
    {
        return Ok(value);
    }
    let options = EmitOptions {
        max_bytes,
        ..EmitOptions::default()
    };
    let text = to_string(node, &options)?;
    match parse_first(text.as_bytes(), &unlimited())? {
        Some(node) => decode_tree(&node),
        None => Ok(Value::Map(Map::default())),
    }
}

/// The value of a tree as it is.
pub(crate) fn decode_tree(node: &Node) -> Result<Value, Error> {
    decode_v3(node, &unlimited())
}

/// For trees that came in within limits.
fn unlimited() -> Limits {
    Limits {
        max_bytes: usize::MAX,
        max_nesting: usize::MAX,
        max_nodes: usize::MAX,
        max_value_bytes: usize::MAX,
        ..Limits::default()
    }
}

/// A tree of plain values, as kyaml's `UnmarshalJSON` makes it: every number a float, keys in natural order.
///
/// ```
/// let node = go_yaml::v3::from_json(&serde_json::json!({"b10": 1_000_000, "b9": "yes"}));
/// assert_eq!(go_yaml::v3::to_string(&node, &Default::default())?, "b9: \"yes\"\nb10: 1e+06\n");
/// # Ok::<(), go_yaml::Error>(())
/// ```
pub fn from_json(value: &serde_json::Value) -> Node {
    encode(value, true)
}

/// Prints a value as a Go `Encoder` does: keys in natural order, nothing folded. With [`EmitOptions::wide`] it is Helm's
/// `toYamlPretty`. Infinities and NaN are errors.
pub fn marshal<T: Serialize + ?Sized>(value: &T, options: &EmitOptions) -> Result<String, Error> {
    finite::check(value)?;
    let value = serde_json::to_value(value).map_err(|error| Error::encode(format!("yaml: {error}")))?;
    to_string(&encode(&value, false), options)
}

/// The nodes that the encoder makes of Go values. With `reread`, as they are when the encoded text is read again, after
/// encoding/json made every number a float.
fn encode(value: &serde_json::Value, reread: bool) -> Node {
    use serde_json::Value as Json;
    match value {
        Json::Null => Node::null(),
        Json::Bool(value) => Node::bool(*value),
        Json::Number(number) => match number.as_f64() {
            Some(value) if reread || number.is_f64() => {
                let text = float::format_yaml(value);
                let tag = resolve_plain(Flavor::V3, &text).tag();
                Node::tagged_scalar(tag, text)
            }
            _ => Node::tagged_scalar(Tag::Int, number.to_string()),
        },
        Json::String(text) if reread => reread_text(text),
        Json::String(text) => encode_string(text),
        Json::Array(items) => Node::from_items(items.iter().map(|item| encode(item, reread)).collect()),
        Json::Object(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value)).collect();
            pairs.sort_unstable_by_key(|(key, _)| *key);
            let pairs = natural_order(Flavor::V3, pairs).into_iter();
            Node::from_entries(
                pairs
                    .map(|(key, value)| (encode_key(key, reread), encode(value, reread)))
                    .collect(),
            )
        }
    }
}

fn encode_key(text: &str, reread: bool) -> Node {
    if reread && text == "<<" {
        Node::tagged_scalar(Tag::Merge, text)
    } else {
        encode_string(text)
    }
}

/// A string with the style that it was written in, which a value that is merged over it takes on.
fn reread_text(text: &str) -> Node {
    let node = encode_key(text, true);
    if node.style() != Style::DEFAULT {
        return node;
    }
    let style = style_in_block(text);
    node.styled(style)
}

/// A string in the style that the encoder picks: literal for several lines, quoted if YAML 1.1 or 1.2 reads it otherwise.
fn encode_string(text: &str) -> Node {
    let node = Node::string(text);
    if text.contains('\n') {
        return node;
    }
    let is_string = matches!(resolve_plain(Flavor::V2, text), Scalar::Str(_))
        && matches!(resolve_plain(Flavor::V3, text), Scalar::Str(_));
    if is_string && !is_base60(text) {
        node
    } else {
        node.styled(Style::DOUBLE_QUOTED)
    }
}

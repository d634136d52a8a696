//! The value of a tree without printing and reading it first.

use compact_str::CompactString;

use crate::node::{Kind, Node, Style, Tag};
use crate::resolve::{Scalar, resolve_plain};
use crate::scanner::Flavor;
use crate::value::{Map, Value};

/// What decoding the printed text of `node` gives, if that is certain to be what the tree says; else `None`.
///
/// Printing changes some values (folded text, empty nulls in flow collections), refuses others (text that starts with a tab)
/// and makes others out of untagged nodes; aliases, merge keys, duplicates and keys that are not strings have rules of
/// their own. All of these take the long way.
pub(crate) fn decode_directly(node: &Node) -> Option<Value> {
    value(node, false)
}

fn value(node: &Node, in_flow: bool) -> Option<Value> {
    let in_flow = in_flow || node.style().contains(Style::FLOW);
    match node.kind() {
        Kind::Alias => None,
        // A comment beside an anchor may be printed where it breaks the text.
        _ if !node.anchor().is_empty() => None,
        Kind::Scalar => scalar(node, in_flow),
        Kind::Sequence if is_plainly(node, Tag::Seq) => node
            .items()
            .iter()
            .map(|item| value(item, in_flow))
            .collect::<Option<_>>()
            .map(Value::Seq),
        Kind::Mapping if is_plainly(node, Tag::Map) => {
            let pairs = node
                .entries()
                .iter()
                .map(|(key, child)| Some((key_text(key)?, value(child, in_flow)?)));
            Map::unique(pairs.collect::<Option<_>>()?).map(Value::Map)
        }
        Kind::Sequence | Kind::Mapping => None,
    }
}

/// Whether a collection has the tag that goes without saying.
fn is_plainly(node: &Node, tag: Tag) -> bool {
    node.tag().is_empty() || (node.core_tag() == Some(tag) && !node.style().contains(Style::TAGGED))
}

/// Keys of other types than strings have rules of their own.
fn key_text(key: &Node) -> Option<CompactString> {
    let is_string = key.core_tag() == Some(Tag::Str)
        || (key.tag().is_empty() && matches!(resolve_plain(Flavor::V3, key.text()), Scalar::Str(_)));
    match scalar(key, false)? {
        Value::Str(text) if is_string && key.is_scalar() => Some(text),
        _ => None,
    }
}

fn scalar(node: &Node, in_flow: bool) -> Option<Value> {
    let text = node.text();
    let style = node.style();
    if style.contains(Style::FOLDED) || style.contains(Style::TAGGED) {
        return None;
    }
    match node.core_tag() {
        Some(Tag::Str) => {
            let cut_off = text.starts_with('\t') && text.contains('\n');
            (!cut_off).then(|| Value::Str(CompactString::new(text)))
        }
        Some(Tag::Null) if text.is_empty() => (!in_flow && !style.is_quoted()).then_some(Value::Null),
        None if !node.tag().is_empty() || !is_word(text) => None,
        tag => {
            // Dates with a time are quoted in flow collections, and then are text.
            if style.is_quoted() || (in_flow && text.contains(':')) {
                return None;
            }
            let resolved = resolve_plain(Flavor::V3, text);
            if tag.is_some_and(|tag| tag != resolved.tag()) {
                return None;
            }
            match resolved {
                Scalar::Null => Some(Value::Null),
                Scalar::Bool(value) => Some(Value::Bool(value)),
                Scalar::Int(value) => Some(Value::Int(value)),
                Scalar::Uint(value) => Some(Value::Uint(value)),
                Scalar::Float(value) => Some(Value::Float(value)),
                Scalar::Str(text) => Some(Value::Str(CompactString::from(text))),
                Scalar::Time(time) => time.to_rfc3339().ok().map(|text| Value::Str(text.into())),
            }
        }
    }
}

/// Whether untagged text is sure to be printed as it is.
fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric) && text.bytes().all(plain)
}

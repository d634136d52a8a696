//! `yaml.v2`: YAML 1.1 words, positional merges, the last of equal keys.

use std::borrow::Cow;
use std::collections::HashSet;

use compact_str::{CompactString, ToCompactString};
use go_std::{Room, float};

use super::go_syntax::GoSyntax;
use super::{Aliases, Decode, Problems, want_map};
use crate::node::{Kind, Node, Tag};
use crate::resolve::{Scalar, resolve_plain, resolve_tagged};
use crate::scanner::Flavor;
use crate::value::{Map, Value};
use crate::{Error, Limits};

/// Decodes a document composed in the v2 flavour; with `strict`, a key given twice is an error.
///
/// Map keys become strings as `sigs.k8s.io/yaml` makes them; a key that cannot is an error once everything else decoded.
pub(crate) fn decode(root: &Node, strict: bool, limits: &Limits) -> Result<Value, Error> {
    let mut decoder = Decoder {
        aliases: Aliases::new(root, limits),
        strict,
        duplicates: Problems::default(),
        bad_key: None,
    };
    let value = decoder.value(root)?;
    decoder.duplicates.result()?;
    match decoder.bad_key {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

struct Decoder<'a> {
    aliases: Aliases<'a>,
    strict: bool,
    duplicates: Problems,
    bad_key: Option<Error>,
}

/// A map under construction.
#[derive(Default)]
struct Pairs {
    pairs: Vec<(CompactString, Value)>,
    seen: HashSet<Key>,
}

/// A key as Go tells keys apart: `1` and `"1"` are two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(u64),
    Str(CompactString),
}

impl<'a> Decode<'a> for Decoder<'a> {
    fn aliases(&mut self) -> &mut Aliases<'a> {
        &mut self.aliases
    }

    fn value(&mut self, node: &'a Node) -> Result<Value, Error> {
        self.aliases.count()?;
        match node.kind() {
            Kind::Scalar => {
                self.aliases.make(Room::of_text(node.text().len()))?;
                scalar(node).map(into_value)
            }
            Kind::Alias => self.behind_alias(node, Self::value),
            Kind::Sequence => self.sequence(node),
            Kind::Mapping => {
                self.aliases.enter_collection()?;
                let mut pairs = Pairs::default();
                self.fill(node, &mut pairs)?;
                self.aliases.leave_collection();
                self.aliases.make(Room::of_map(pairs.pairs.len()))?;
                Ok(Value::Map(Map::last_wins(pairs.pairs)))
            }
        }
    }
}

impl<'a> Decoder<'a> {
    fn fill(&mut self, node: &'a Node, pairs: &mut Pairs) -> Result<(), Error> {
        pairs.pairs.reserve(node.entries().len());
        for (key_node, value_node) in node.entries() {
            if is_merge(key_node) {
                self.merge(value_node, pairs)?;
                continue;
            }
            let key = self.key(key_node)?;
            let value = self.value(value_node)?;
            if self.strict && !pairs.seen.insert(key.clone()) {
                let text = GoSyntax::key(&key);
                self.duplicates.add(format!(
                    "line {}: key {text} already set in map",
                    value_node.line()
                ))?;
                continue;
            }
            match key_text(key) {
                Ok(text) => pairs.pairs.push((text, value)),
                Err(key) => {
                    let kind = if matches!(key, Key::Null) {
                        "%!s(<nil>)"
                    } else {
                        "uint64"
                    };
                    let value = GoSyntax::value(self.aliases.root, value_node);
                    let key = GoSyntax::key(&key);
                    self.bad_key.get_or_insert_with(|| {
                        Error::json(format!(
                            "unsupported map key of type: {kind}, key: {key}, value: {value}"
                        ))
                    });
                }
            }
        }
        Ok(())
    }

    fn key(&mut self, node: &'a Node) -> Result<Key, Error> {
        match node.kind() {
            Kind::Scalar => {
                self.aliases.count()?;
                self.aliases.make(Room::of_text(node.text().len()))?;
                scalar(node).map(into_key)
            }
            Kind::Alias => {
                self.aliases.count()?;
                self.behind_alias(node, Self::key)
            }
            Kind::Mapping | Kind::Sequence => {
                self.value(node)?;
                let key = GoSyntax::value(self.aliases.root, node);
                Err(Error::decode(format!("invalid map key: {key}")))
            }
        }
    }

    fn merge(&mut self, node: &'a Node, pairs: &mut Pairs) -> Result<(), Error> {
        let mut fill = |decoder: &mut Self, map| decoder.fill(map, pairs);
        match node.kind() {
            Kind::Mapping | Kind::Alias => self.merged_map(node, &mut fill),
            // Backwards, because the first map wins and the last value written stays.
            Kind::Sequence => node
                .items()
                .iter()
                .rev()
                .try_for_each(|item| self.merged_map(item, &mut fill)),
            Kind::Scalar => Err(want_map()),
        }
    }
}

/// Whether `node` is the key `<<`: plain, or tagged so.
fn is_merge(node: &Node) -> bool {
    node.as_str() == Some("<<")
        && match node.tag() {
            "" => !node.style().is_quoted(),
            "!" => true,
            _ => node.core_tag() == Some(Tag::Merge),
        }
}

pub(super) fn scalar(node: &Node) -> Result<Scalar<'_>, Error> {
    let text = node.text();
    match node.tag() {
        "" => Ok(scalar_of(text, !node.style().is_quoted())),
        tag => Ok(untimed(text, resolve_tagged(Flavor::V2, tag, text)?)),
    }
}

/// What the text of a scalar without a tag means.
pub(crate) fn scalar_of(text: &str, plain: bool) -> Scalar<'_> {
    if plain {
        untimed(text, resolve_plain(Flavor::V2, text))
    } else {
        Scalar::Str(Cow::Borrowed(text))
    }
}

/// A date stays text where no type is asked for.
fn untimed<'a>(text: &'a str, value: Scalar<'a>) -> Scalar<'a> {
    match value {
        Scalar::Time(_) => Scalar::Str(Cow::Borrowed(text)),
        other => other,
    }
}

/// The key that the text of a scalar without a tag makes; `None` if `sigs.k8s.io/yaml` does not take its type.
pub(crate) fn key_of(text: &str, plain: bool) -> Option<Cow<'_, str>> {
    match scalar_of(text, plain) {
        Scalar::Str(text) => Some(text),
        other => key_text(into_key(other)).ok().map(|text| Cow::Owned(text.into())),
    }
}

fn into_value(scalar: Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Uint(value) => Value::Uint(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Str(text) => Value::Str(CompactString::from(text)),
        // `scalar` gives dates as text.
        Scalar::Time(_) => Value::Null,
    }
}

fn into_key(scalar: Scalar<'_>) -> Key {
    match into_value(scalar) {
        Value::Bool(value) => Key::Bool(value),
        Value::Int(value) => Key::Int(value),
        Value::Uint(value) => Key::Uint(value),
        Value::Float(value) => Key::Float(value.to_bits()),
        Value::Str(text) => Key::Str(text),
        Value::Null | Value::Seq(_) | Value::Map(_) => Key::Null,
    }
}

/// The key as a string, or the key back if `sigs.k8s.io/yaml` does not take its type.
fn key_text(key: Key) -> Result<CompactString, Key> {
    Ok(match key {
        Key::Str(text) => text,
        Key::Int(value) => value.to_compact_string(),
        Key::Bool(value) => value.to_compact_string(),
        Key::Float(bits) => match f64::from_bits(bits) as f32 {
            value if value.is_nan() => CompactString::const_new(".nan"),
            f32::INFINITY => CompactString::const_new(".inf"),
            f32::NEG_INFINITY => CompactString::const_new("-.inf"),
            value => float::format_g32(f64::from(value)).into(),
        },
        key @ (Key::Null | Key::Uint(_)) => return Err(key),
    })
}

impl GoSyntax {
    fn key(key: &Key) -> String {
        match key {
            Key::Null => "<nil>".to_owned(),
            Key::Bool(value) => value.to_string(),
            Key::Int(value) => value.to_string(),
            Key::Uint(value) => format!("{value:#x}"),
            Key::Float(bits) => float::format_g(f64::from_bits(*bits)),
            Key::Str(text) => go_std::quote(text),
        }
    }
}

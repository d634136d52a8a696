//! `yaml.v3`: explicit keys win over merged ones, a key given twice is an error.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use go_std::{Room, quote};

use super::{Aliases, Decode, Problems, want_map};
use crate::node::{Kind, Node, Tag};
use crate::resolve::{Scalar, replace_bad_bytes, resolve_plain, resolve_tagged};
use crate::scanner::Flavor;
use crate::value::{Map, Value};
use crate::{Error, Limits};

/// Decodes into Go's `map[string]interface{}` (or `[]interface{}`) and on to JSON values, as kyaml's `MarshalJSON` does.
pub(crate) fn decode(root: &Node, limits: &Limits) -> Result<Value, Error> {
    let (value, unsupported) = decode_root(root, limits, true)?;
    match unsupported {
        Some(text) => Err(Error::encode(text)),
        None => Ok(value),
    }
}

/// Decodes into Go's `map[string]interface{}`, for the errors of that.
pub(crate) fn check_map(root: &Node, limits: &Limits) -> Result<(), Error> {
    decode_root(root, limits, false).map(|_| ())
}

/// The value, and what encoding/json would refuse in it.
fn decode_root(root: &Node, limits: &Limits, or_sequence: bool) -> Result<(Value, Option<String>), Error> {
    let mut decoder = Decoder {
        aliases: Aliases::new(root, limits),
        errors: Problems::default(),
        unsupported: None,
    };
    let value = match root.kind() {
        Kind::Mapping => {
            decoder.aliases.count()?;
            decoder.mapping(root, true)?
        }
        Kind::Sequence if or_sequence => decoder.value(root)?,
        Kind::Scalar if root.is_null() => {
            scalar(root)?;
            Value::Null
        }
        Kind::Sequence => {
            decoder.errors.add(type_error(root))?;
            Value::Null
        }
        Kind::Scalar | Kind::Alias => {
            scalar(root)?;
            decoder.errors.add(type_error(root))?;
            Value::Null
        }
    };
    decoder.errors.result()?;
    Ok((value, decoder.unsupported))
}

fn type_error(node: &Node) -> String {
    let text = node.text();
    let shown = match (node.core_tag(), text.as_bytes().get(..7)) {
        (Some(Tag::Map | Tag::Seq), _) => text.to_owned(),
        (_, Some(start)) if text.len() > 10 => format!(" `{}...`", replace_bad_bytes(start)),
        _ => format!(" `{text}`"),
    };
    let (line, tag) = (node.line(), node.tag());
    format!("line {line}: cannot unmarshal {tag}{shown} into map[string]interface {{}}")
}

struct Decoder<'a> {
    aliases: Aliases<'a>,
    errors: Problems,
    /// What encoding/json will refuse once everything decoded.
    unsupported: Option<String>,
}

/// A map under construction.
#[derive(Default)]
struct Pairs {
    pairs: Vec<(CompactString, Value)>,
    /// The keys, from the first merge on.
    known: Option<HashSet<CompactString>>,
}

impl Pairs {
    fn has(&mut self, key: &CompactString) -> bool {
        let keys = || self.pairs.iter().map(|(key, _)| key.clone()).collect();
        self.known.get_or_insert_with(keys).contains(key)
    }

    fn push(&mut self, key: CompactString, value: Value) {
        if let Some(known) = &mut self.known {
            known.insert(key.clone());
        }
        self.pairs.push((key, value));
    }
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
                self.scalar(node)
            }
            Kind::Alias => self.behind_alias(node, Self::value),
            Kind::Sequence => self.sequence(node),
            Kind::Mapping => {
                let strings = self.all_keys_are_strings(node)?;
                if !strings {
                    self.refuse("json: unsupported type: map[interface {}]interface {}");
                }
                self.mapping(node, false)
            }
        }
    }
}

impl<'a> Decoder<'a> {
    fn refuse(&mut self, text: &str) {
        self.unsupported.get_or_insert_with(|| text.to_owned());
    }

    fn scalar(&mut self, node: &'a Node) -> Result<Value, Error> {
        Ok(match scalar(node)? {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => Value::Int(value),
            Scalar::Uint(value) => Value::Uint(value),
            Scalar::Float(value) => Value::Float(value),
            Scalar::Str(text) => Value::Str(CompactString::from(text)),
            Scalar::Time(time) => match time.to_rfc3339() {
                Ok(text) => Value::Str(text.into()),
                Err(problem) => {
                    self.refuse(&format!(
                        "json: error calling MarshalJSON for type time.Time: {problem}"
                    ));
                    Value::Null
                }
            },
        })
    }

    fn mapping(&mut self, node: &'a Node, top: bool) -> Result<Value, Error> {
        self.aliases.enter_collection()?;
        let mut pairs = Pairs::default();
        pairs.pairs.reserve(node.entries().len());
        if self.check_unique(node)? {
            self.fill(node, &mut pairs, top, false)?;
        }
        self.aliases.leave_collection();
        self.aliases.make(Room::of_map(pairs.pairs.len()))?;
        Ok(Value::Map(Map::last_wins(pairs.pairs)))
    }

    /// Adds the pairs of `node`, then those it merges. With `merging`, only keys that are not there yet.
    fn fill(&mut self, node: &'a Node, pairs: &mut Pairs, top: bool, merging: bool) -> Result<(), Error> {
        let mut merge = None;
        for (key, value) in node.entries() {
            if is_merge(key) {
                merge = Some(value);
                continue;
            }
            let Some(key) = self.key(key, top)? else { continue };
            if merging && pairs.has(&key) {
                continue;
            }
            let value = self.value(value)?;
            pairs.push(key, value);
        }
        match merge {
            Some(merge) => self.merge(merge, pairs, top),
            None => Ok(()),
        }
    }

    /// The key as a string; `None` if Go leaves the pair out.
    fn key(&mut self, node: &'a Node, top: bool) -> Result<Option<CompactString>, Error> {
        self.aliases.count()?;
        self.aliases.make(Room::of_text(node.text().len()))?;
        match node.kind() {
            Kind::Scalar => Ok(match scalar(node)? {
                Scalar::Null if top => None,
                Scalar::Str(text) => Some(CompactString::from(text)),
                _ => Some(CompactString::new(node.text())),
            }),
            Kind::Alias => self.behind_alias(node, |decoder, target| decoder.key(target, top)),
            Kind::Mapping | Kind::Sequence if top => {
                let (tag, line) = (node.tag(), node.line());
                let shown = if matches!(node.core_tag(), Some(Tag::Map | Tag::Seq)) {
                    ""
                } else {
                    " ``"
                };
                self.errors
                    .add(format!("line {line}: cannot unmarshal {tag}{shown} into string"))?;
                Ok(None)
            }
            Kind::Mapping | Kind::Sequence => {
                self.value(node)?;
                let shown = if node.is_sequence() {
                    "[]interface {}"
                } else {
                    "map[string]interface {}"
                };
                let key = super::go_syntax::GoSyntax::value(self.aliases.root, node);
                let key = key.replace("map[interface {}]interface {}", "map[string]interface {}");
                debug_assert!(key.starts_with(shown));
                Err(Error::decode(format!("invalid map key: {key}")))
            }
        }
    }

    fn merge(&mut self, node: &'a Node, pairs: &mut Pairs, top: bool) -> Result<(), Error> {
        let mut fill = |decoder: &mut Self, map| {
            if decoder.check_unique(map)? {
                decoder.fill(map, pairs, top, true)?;
            }
            Ok(())
        };
        match node.kind() {
            Kind::Mapping | Kind::Alias => self.merged_map(node, &mut fill),
            Kind::Sequence => node
                .items()
                .iter()
                .try_for_each(|item| self.merged_map(item, &mut fill)),
            Kind::Scalar => Err(want_map()),
        }
    }

    /// Notes every pair of equal keys; false if there is one.
    fn check_unique(&mut self, node: &'a Node) -> Result<bool, Error> {
        let mut seen: HashMap<(Kind, &str), Vec<u32>> = HashMap::with_capacity(node.entries().len());
        let mut twice = false;
        for (key, _) in node.entries() {
            let lines = seen.entry((key.kind(), key.text())).or_default();
            twice |= !lines.is_empty();
            lines.push(key.line());
        }
        if twice {
            for (key, _) in node.entries() {
                // Taking the lines away lists each group once, at its first key.
                let lines = seen.remove(&(key.kind(), key.text())).unwrap_or_default();
                for (index, first) in lines.iter().enumerate() {
                    for line in lines.iter().skip(index + 1) {
                        let text = quote(key.text());
                        self.errors.add(format!(
                            "line {line}: mapping key {text} already defined at line {first}"
                        ))?;
                    }
                }
            }
        }
        Ok(!twice)
    }

    fn all_keys_are_strings(&mut self, node: &'a Node) -> Result<bool, Error> {
        for (key, _) in node.entries() {
            let key = if key.kind() == Kind::Alias {
                self.aliases.target(key)?
            } else {
                key
            };
            if !matches!(short_tag_of(key), Some(Tag::Str | Tag::Merge)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The tag a node counts as: its own, or what its text resolves to.
fn short_tag_of(node: &Node) -> Option<Tag> {
    match (node.kind(), node.tag()) {
        (Kind::Scalar, "") if node.style().is_quoted() => Some(Tag::Str),
        (Kind::Scalar, "" | "!") => Some(resolve_plain(Flavor::V3, node.text()).tag()),
        _ => node.core_tag(),
    }
}

fn is_merge(node: &Node) -> bool {
    node.as_str() == Some("<<") && (matches!(node.tag(), "" | "!") || node.core_tag() == Some(Tag::Merge))
}

pub(crate) fn scalar(node: &Node) -> Result<Scalar<'_>, Error> {
    let text = node.text();
    match node.core_tag() {
        // A quoted string whose tag is the default one is not resolved again.
        Some(Tag::Str) => Ok(Scalar::Str(Cow::Borrowed(text))),
        None if node.tag().is_empty() && node.style().is_quoted() => Ok(Scalar::Str(Cow::Borrowed(text))),
        None if node.tag().is_empty() => Ok(resolve_plain(Flavor::V3, text)),
        _ => resolve_tagged(Flavor::V3, node.tag(), text),
    }
}

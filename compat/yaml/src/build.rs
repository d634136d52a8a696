//! Events straight to values, without a tree in between.

use go_std::{Build, Room};

use crate::decode::{key_of, scalar_of, too_many_bytes};
use crate::parser::{EventKind, Parser, Props};
use crate::reader::Input;
use crate::resolve::Scalar;
use crate::scanner::{Flavor, ScalarStyle, Scanner};
use crate::value::{Value, unsupported_float};
use crate::{Error, Limits};

/// Builds the first document of a stream, if it has no anchors, aliases, tags, merges and other oddities; else `None`.
///
/// Those have rules that need a tree; nearly no document has them.
pub(crate) fn build_plain<B: Build>(
    input: &Input<'_>,
    limits: &Limits,
    builder: &mut B,
) -> Result<Option<B::Value>, Error> {
    let mut parser = Parser::new(Scanner::new(&input.text, input.problem, Flavor::V2, limits));
    if matches!(parser.next_event()?.kind, EventKind::StreamEnd) {
        return Ok(Some(builder.null()));
    }
    let mut tree = Tree {
        builder,
        max_nesting: limits.max_nesting,
        nodes_left: limits.max_nodes,
        max_bytes: limits.max_value_bytes,
        room: Room::new(limits.max_value_bytes),
        open: Vec::new(),
        items: Vec::new(),
        pairs: Vec::new(),
        skipped_below: None,
    };
    let Some(value) = tree.root(&mut parser)? else {
        return Ok(None);
    };
    // What follows the root may still be wrong.
    parser.next_event()?;
    Ok(Some(value))
}

/// Builds what was decoded the long way.
pub(crate) fn build_value<B: Build>(value: Value, builder: &mut B) -> Result<B::Value, Error> {
    Ok(match value {
        Value::Null => builder.null(),
        Value::Bool(value) => builder.bool(value),
        Value::Int(value) => builder.int(value),
        Value::Uint(value) => builder.uint(value),
        Value::Float(value) if !value.is_finite() => return Err(unsupported_float(value)),
        Value::Float(value) => builder.float(value),
        Value::Str(text) => builder.string(&text),
        Value::Seq(items) => {
            let items = items.into_iter().map(|item| build_value(item, builder));
            let items = items.collect::<Result<_, _>>()?;
            builder.list(items)
        }
        Value::Map(map) => {
            let pairs = map.into_pairs().into_iter().map(|(key, value)| {
                let value = build_value(value, builder)?;
                Ok((builder.key(&key), value))
            });
            let pairs = pairs.collect::<Result<_, Error>>()?;
            builder.map(pairs)
        }
    })
}

struct Tree<'b, B: Build> {
    builder: &'b mut B,
    max_nesting: usize,
    nodes_left: usize,
    max_bytes: usize,
    room: Room,
    open: Vec<Open<B::Key>>,
    /// The children of all open lists, and of all open maps; each gets its own when it closes.
    items: Vec<B::Value>,
    pairs: Vec<(B::Key, B::Value)>,
    /// How many collections were open around a value that nobody wants.
    skipped_below: Option<usize>,
}

/// A collection that is not complete yet.
struct Open<K> {
    is_map: bool,
    /// Where its children start in `items` or `pairs`.
    start: usize,
    next: Next<K>,
}

/// What comes next in a collection.
enum Next<K> {
    Item,
    Key,
    ValueOf(K),
    /// A value that nobody wants.
    Unwanted,
}

impl<B: Build> Tree<'_, B> {
    fn root(&mut self, parser: &mut Parser<'_>) -> Result<Option<B::Value>, Error> {
        loop {
            let event = parser.next_event()?;
            // The long way counts again, and says what is too much.
            let Some(left) = self.nodes_left.checked_sub(1) else {
                return Ok(None);
            };
            self.nodes_left = left;
            let awaits_key = self
                .open
                .last()
                .is_some_and(|open| matches!(open.next, Next::Key));
            let value = match event.kind {
                EventKind::MappingStart { props, .. } | EventKind::SequenceStart { props, .. }
                    if awaits_key || has_any(&props) || self.open.len() >= self.max_nesting =>
                {
                    return Ok(None);
                }
                EventKind::MappingStart { .. } => {
                    self.push(true, self.pairs.len());
                    continue;
                }
                EventKind::SequenceStart { .. } => {
                    self.push(false, self.items.len());
                    continue;
                }
                EventKind::MappingEnd | EventKind::SequenceEnd => match self.open.pop() {
                    Some(open) => self.close(&open)?,
                    None => return Ok(None),
                },
                EventKind::Scalar { props, .. } if has_any(&props) => return Ok(None),
                EventKind::Scalar { value, style, .. } if awaits_key => {
                    self.make(Room::of_text(value.len()))?;
                    if !self.key(&value, style) {
                        return Ok(None);
                    }
                    continue;
                }
                EventKind::Scalar { value, style, .. } => {
                    self.make(Room::of_text(value.len()))?;
                    match self.scalar(&value, style) {
                        Some(value) => value,
                        None => return Ok(None),
                    }
                }
                EventKind::Alias(_)
                | EventKind::DocumentStart
                | EventKind::DocumentEnd
                | EventKind::StreamEnd => return Ok(None),
            };
            if self.skipped_below == Some(self.open.len()) {
                self.skipped_below = None;
            }
            let Some(parent) = self.open.last_mut() else {
                return Ok(Some(value));
            };
            let next = if parent.is_map { Next::Key } else { Next::Item };
            match std::mem::replace(&mut parent.next, next) {
                _ if self.skipped_below.is_some() => {}
                Next::Item => self.items.push(value),
                Next::ValueOf(key) => self.pairs.push((key, value)),
                Next::Key | Next::Unwanted => {}
            }
        }
    }

    fn push(&mut self, is_map: bool, start: usize) {
        self.open.push(Open {
            is_map,
            start,
            next: if is_map { Next::Key } else { Next::Item },
        });
    }

    /// Counts what a value takes, before it is made, unless nobody wants it.
    fn make(&mut self, bytes: usize) -> Result<(), Error> {
        if self.skipped_below.is_some() {
            return Ok(());
        }
        let max = self.max_bytes;
        self.room.take(bytes).ok_or_else(|| too_many_bytes(max))
    }

    fn close(&mut self, open: &Open<B::Key>) -> Result<B::Value, Error> {
        Ok(match (self.skipped_below, open.is_map) {
            (Some(_), _) => self.builder.null(),
            (None, true) => {
                self.make(Room::of_map(self.pairs.len() - open.start))?;
                let pairs = self.pairs.split_off(open.start);
                self.builder.map(pairs)
            }
            (None, false) => {
                self.make(Room::VALUE)?;
                let items = self.items.split_off(open.start);
                self.builder.list(items)
            }
        })
    }

    /// Takes the key of the next pair; false if it is one of the odd ones.
    fn key(&mut self, text: &str, style: ScalarStyle) -> bool {
        let plain = style == ScalarStyle::Plain;
        if plain && text == "<<" {
            return false;
        }
        let Some(text) = key_of(text, plain) else {
            return false;
        };
        let depth = self.open.len();
        if depth == 1 && !self.builder.wants(&text) {
            self.skipped_below = Some(1);
        }
        let next = if self.skipped_below.is_some() {
            Next::Unwanted
        } else {
            Next::ValueOf(self.builder.key(&text))
        };
        if let Some(open) = self.open.last_mut() {
            open.next = next;
        }
        true
    }

    /// Makes a scalar; `None` if JSON has no such value.
    fn scalar(&mut self, text: &str, style: ScalarStyle) -> Option<B::Value> {
        let builder = &mut *self.builder;
        Some(match scalar_of(text, style == ScalarStyle::Plain) {
            Scalar::Float(value) if !value.is_finite() => return None,
            _ if self.skipped_below.is_some() => builder.null(),
            Scalar::Null | Scalar::Time(_) => builder.null(),
            Scalar::Bool(value) => builder.bool(value),
            Scalar::Int(value) => builder.int(value),
            Scalar::Uint(value) => builder.uint(value),
            Scalar::Float(value) => builder.float(value),
            Scalar::Str(text) => builder.string(&text),
        })
    }
}

fn has_any(props: &Props<'_>) -> bool {
    props.anchor.is_some() || props.tag.is_some()
}

/// Builds JSON.
#[derive(Debug)]
pub struct ToJson<F = fn(&str) -> bool> {
    wants: F,
    only_floats: bool,
}

impl<F: Fn(&str) -> bool> ToJson<F> {
    /// With exact numbers, and with the keys of the document's top that are wanted.
    pub fn exact_where(wants: F) -> Self {
        Self {
            wants,
            only_floats: false,
        }
    }
}

impl ToJson<fn(&str) -> bool> {
    /// With exact numbers.
    pub fn exact() -> Self {
        Self::exact_where(|_| true)
    }

    /// With floats as the only numbers.
    pub fn floats() -> Self {
        Self {
            wants: |_| true,
            only_floats: true,
        }
    }
}

impl<F: Fn(&str) -> bool> Build for ToJson<F> {
    type Value = serde_json::Value;
    type Key = String;

    fn null(&mut self) -> Self::Value {
        serde_json::Value::Null
    }

    fn bool(&mut self, value: bool) -> Self::Value {
        value.into()
    }

    fn int(&mut self, value: i64) -> Self::Value {
        if self.only_floats {
            return self.float(value as f64);
        }
        value.into()
    }

    fn uint(&mut self, value: u64) -> Self::Value {
        if self.only_floats {
            return self.float(value as f64);
        }
        value.into()
    }

    fn float(&mut self, value: f64) -> Self::Value {
        value.into()
    }

    fn string(&mut self, value: &str) -> Self::Value {
        value.into()
    }

    fn key(&mut self, key: &str) -> String {
        key.to_owned()
    }

    fn list(&mut self, items: Vec<Self::Value>) -> Self::Value {
        items.into()
    }

    fn map(&mut self, pairs: Vec<(String, Self::Value)>) -> Self::Value {
        serde_json::Value::Object(pairs.into_iter().collect())
    }

    fn wants(&self, key: &str) -> bool {
        (self.wants)(key)
    }
}

//! Trees to values, as the decoders of the two Go libraries do for `interface{}`.
//!
//! `v2` and `go_syntax` form a circle: errors show values as Go does, for which they are decoded.

mod direct;
mod go_syntax;
mod v2;
mod v3;

use std::collections::{HashMap, HashSet};
use std::ptr;

use go_std::Room;

pub(crate) use direct::decode_directly;
pub(crate) use v2::{decode as decode_v2, key_of, scalar_of};
pub(crate) use v3::{check_map as v3_check_map, decode as decode_v3, scalar as v3_scalar};

use crate::node::{Kind, Node};
use crate::value::Value;
use crate::{Error, Limits};

/// What each alias of a document stands for, and Go's guard against expanding too many of them.
struct Aliases<'a> {
    root: &'a Node,
    targets: Option<HashMap<*const Node, &'a Node>>,
    open: HashSet<*const Node>,
    max_nesting: usize,
    depth: usize,
    alias_depth: usize,
    decoded: u64,
    decoded_in_alias: u64,
    max_value_bytes: usize,
    room: Room,
}

impl<'a> Aliases<'a> {
    fn new(root: &'a Node, limits: &Limits) -> Self {
        Self {
            root,
            targets: None,
            open: HashSet::new(),
            max_nesting: limits.max_nesting,
            depth: 0,
            alias_depth: 0,
            decoded: 0,
            decoded_in_alias: 0,
            max_value_bytes: limits.max_value_bytes,
            room: Room::new(limits.max_value_bytes),
        }
    }

    /// The node that an alias stands for: the latest with that anchor before it.
    fn target(&mut self, alias: &'a Node) -> Result<&'a Node, Error> {
        let root = self.root;
        let targets = self.targets.get_or_insert_with(|| {
            let mut targets = HashMap::new();
            bind(root, &mut HashMap::new(), &mut targets);
            targets
        });
        targets
            .get(&ptr::from_ref(alias))
            .copied()
            .ok_or_else(|| Error::decode(format!("unknown anchor '{}' referenced", alias.text())))
    }

    /// Counts one decoded node.
    fn count(&mut self) -> Result<(), Error> {
        self.decoded += 1;
        if self.alias_depth > 0 {
            self.decoded_in_alias += 1;
            let ratio = self.decoded_in_alias as f64 / self.decoded as f64;
            if self.decoded_in_alias > 100 && self.decoded > 1000 && ratio > allowed_ratio(self.decoded) {
                return Err(Error::decode("document contains excessive aliasing"));
            }
        }
        Ok(())
    }

    /// Counts what a value takes, before it is made.
    fn make(&mut self, bytes: usize) -> Result<(), Error> {
        let max = self.max_value_bytes;
        self.room.take(bytes).ok_or_else(|| too_many_bytes(max))
    }

    fn enter_alias(&mut self, alias: &'a Node) -> Result<&'a Node, Error> {
        if !self.open.insert(ptr::from_ref(alias)) {
            return Err(Error::decode(format!(
                "anchor '{}' value contains itself",
                alias.text()
            )));
        }
        self.alias_depth += 1;
        self.target(alias)
    }

    fn leave_alias(&mut self, alias: &'a Node) {
        self.alias_depth -= 1;
        self.open.remove(&ptr::from_ref(alias));
    }

    fn enter_collection(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > self.max_nesting {
            return Err(Error::limit(format!(
                "yaml: nested more than {} levels deep",
                self.max_nesting
            )));
        }
        Ok(())
    }

    fn leave_collection(&mut self) {
        self.depth -= 1;
    }
}

/// What the decoders of both flavours do alike.
trait Decode<'a>: Sized {
    fn aliases(&mut self) -> &mut Aliases<'a>;
    fn value(&mut self, node: &'a Node) -> Result<Value, Error>;

    /// Reads what an alias stands for.
    fn behind_alias<T>(
        &mut self,
        alias: &'a Node,
        read: impl FnOnce(&mut Self, &'a Node) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let target = self.aliases().enter_alias(alias)?;
        let read = read(self, target);
        self.aliases().leave_alias(alias);
        read
    }

    fn sequence(&mut self, node: &'a Node) -> Result<Value, Error> {
        self.aliases().enter_collection()?;
        let items = node.items().iter().map(|item| self.value(item));
        let items = items.collect::<Result<_, _>>()?;
        self.aliases().leave_collection();
        Ok(Value::Seq(items))
    }

    /// Passes the map that `<<` names on to `fill`, through aliases.
    fn merged_map(
        &mut self,
        node: &'a Node,
        fill: &mut dyn FnMut(&mut Self, &'a Node) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.aliases().count()?;
        match node.kind() {
            Kind::Mapping => {
                self.aliases().enter_collection()?;
                fill(self, node)?;
                self.aliases().leave_collection();
                Ok(())
            }
            Kind::Alias => self.behind_alias(node, |decoder, target| {
                if target.is_mapping() {
                    decoder.merged_map(target, fill)
                } else {
                    Err(want_map())
                }
            }),
            Kind::Scalar | Kind::Sequence => Err(want_map()),
        }
    }
}

/// What a document says whose values would take more than `max` bytes.
pub(crate) fn too_many_bytes(max: usize) -> Error {
    Error::limit(format!(
        "yaml: values of more than {max} bytes, aliases counted each time"
    ))
}

/// The problems of a document that is read to its end all the same.
#[derive(Default)]
struct Problems {
    lines: Vec<String>,
    bytes: usize,
}

impl Problems {
    /// Go lists as many as there are, which for one key given `n` times are `n * n / 2`.
    const MAX_LINES: usize = 10_000;
    const MAX_BYTES: usize = 1 << 20;

    fn add(&mut self, line: String) -> Result<(), Error> {
        self.bytes += line.len();
        self.lines.push(line);
        if self.lines.len() > Self::MAX_LINES || self.bytes > Self::MAX_BYTES {
            let (lines, bytes) = (Self::MAX_LINES, Self::MAX_BYTES);
            let first = self.lines.first().map_or("", String::as_str);
            let shown: String = first.chars().take(200).collect();
            return Err(Error::decode(format!(
                "more than {lines} errors, or more than {bytes} bytes of them: {shown}"
            )));
        }
        Ok(())
    }

    fn result(&self) -> Result<(), Error> {
        if self.lines.is_empty() {
            return Ok(());
        }
        Err(Error::unmarshal_errors(&self.lines))
    }
}

/// The share of decoded nodes that may come from aliases: 99 % in small documents, 10 % in large ones.
fn allowed_ratio(decoded: u64) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let position = ((decoded as f64 - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
    0.99 - 0.89 * position
}

/// Walks in document order and notes what every alias refers to.
fn bind<'a>(
    node: &'a Node,
    anchors: &mut HashMap<&'a str, &'a Node>,
    targets: &mut HashMap<*const Node, &'a Node>,
) {
    if !node.anchor().is_empty() {
        anchors.insert(node.anchor(), node);
    }
    match node.kind() {
        Kind::Alias => {
            if let Some(target) = anchors.get(node.text()) {
                targets.insert(ptr::from_ref(node), target);
            }
        }
        Kind::Mapping => {
            for (key, value) in node.entries() {
                bind(key, anchors, targets);
                bind(value, anchors, targets);
            }
        }
        Kind::Sequence => node.items().iter().for_each(|item| bind(item, anchors, targets)),
        Kind::Scalar => {}
    }
}

fn want_map() -> Error {
    Error::decode("map merge requires map or sequence of maps as the value")
}

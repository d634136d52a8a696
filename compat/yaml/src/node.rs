//! The mutable tree that `yaml.v3` reads and kyaml edits.

use compact_str::CompactString;

/// One value of a YAML document, with everything `yaml.v3` keeps about it.
///
/// It is the counterpart of Go's `yaml.Node`, kept small (most scalars need no allocation of their own) and without a
/// document kind: comments that belong to the document hang on its root, see [`Node::document_comments`].
///
/// ```
/// use go_yaml::{Limits, Node, v3};
///
/// let mut node = v3::parse_first(b"kind: Service\nmetadata: {name: web}\n", &Limits::default())?.unwrap();
/// assert_eq!(node.get("kind").and_then(Node::as_str), Some("Service"));
/// node.get_mut("metadata").unwrap().set("namespace", Node::string("prod"));
/// assert_eq!(v3::to_string(&node, &v3::EmitOptions::default())?, "kind: Service\nmetadata: {name: web, namespace: prod}\n");
/// # Ok::<(), go_yaml::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Node {
    data: Data,
    extra: Option<Box<Extra>>,
    line: u32,
    column: u32,
    tag: TagSlot,
    style: Style,
}

#[derive(Debug, Clone)]
enum Data {
    Scalar(CompactString),
    Mapping(Vec<(Node, Node)>),
    Sequence(Vec<Node>),
    Alias(CompactString),
}

/// The rarely used parts of a node.
#[derive(Debug, Clone, Default)]
struct Extra {
    custom_tag: Option<Box<str>>,
    anchor: Option<Box<str>>,
    comments: Comments,
    document: Comments,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.custom_tag.is_none()
            && self.anchor.is_none()
            && self.comments.is_empty()
            && self.document.is_empty()
    }
}

/// The comments around a node, each with its `#` and without the final newline; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comments {
    /// The lines above the node.
    pub head: String,
    /// The comment at the end of the node's line.
    pub line: String,
    /// The lines below the node, before a blank line.
    pub foot: String,
}

impl Comments {
    fn bytes(&self) -> usize {
        self.head.len() + self.line.len() + self.foot.len()
    }

    /// Whether there is no comment at all.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.line.is_empty() && self.foot.is_empty()
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A single value written as text.
    Scalar,
    /// Key and value pairs in source order.
    Mapping,
    /// A list.
    Sequence,
    /// A reference `*name` to an anchored node.
    Alias,
}

/// How a node was, or is to be, written: Go's `yaml.Style` bits, with Go's numeric values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Style(u8);

impl Style {
    /// Plain scalars and block collections.
    pub const DEFAULT: Self = Self(0);
    /// The tag is written out.
    pub const TAGGED: Self = Self(1);
    /// `"text"`
    pub const DOUBLE_QUOTED: Self = Self(2);
    /// `'text'`
    pub const SINGLE_QUOTED: Self = Self(4);
    /// `|` block.
    pub const LITERAL: Self = Self(8);
    /// `>` block.
    pub const FOLDED: Self = Self(16);
    /// `{a: 1}` or `[1]`.
    pub const FLOW: Self = Self(32);

    /// The bits as Go numbers them.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every bit of `other` is set here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this is one of the quoted or block scalar styles.
    pub const fn is_quoted(self) -> bool {
        self.0 & (2 | 4 | 8 | 16) != 0
    }
}

/// The tags of YAML's core types; any other tag is kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!str`
    Str,
    /// `!!timestamp`
    Timestamp,
    /// `!!binary`
    Binary,
    /// `!!merge`
    Merge,
    /// `!!map`
    Map,
    /// `!!seq`
    Seq,
}

impl Tag {
    /// The short form, such as `!!str`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Str => "!!str",
            Self::Timestamp => "!!timestamp",
            Self::Binary => "!!binary",
            Self::Merge => "!!merge",
            Self::Map => "!!map",
            Self::Seq => "!!seq",
        }
    }

    /// The tag of a short (`!!str`) or long (`tag:yaml.org,2002:str`) form.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text
            .strip_prefix("!!")
            .or_else(|| text.strip_prefix(LONG_TAG_PREFIX))?;
        Some(match name {
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "str" => Self::Str,
            "timestamp" => Self::Timestamp,
            "binary" => Self::Binary,
            "merge" => Self::Merge,
            "map" => Self::Map,
            "seq" => Self::Seq,
            _ => return None,
        })
    }
}

/// The prefix that `!!` stands for.
pub(crate) const LONG_TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// A tag in one byte; `Custom` text lives in [`Extra`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TagSlot {
    Unset,
    Known(Tag),
    Custom,
}

/// # Building
impl Node {
    fn new(data: Data, tag: TagSlot) -> Self {
        Self {
            data,
            extra: None,
            line: 0,
            column: 0,
            tag,
            style: Style::DEFAULT,
        }
    }

    /// A scalar without a tag, as kyaml's `NewScalarRNode` makes it: printed as it is, whatever it then means.
    pub fn scalar(text: impl AsRef<str>) -> Self {
        Self::new(Data::Scalar(CompactString::new(text)), TagSlot::Unset)
    }

    /// A string: tagged `!!str`, so that `"1"` is quoted when printed, and in literal style if it has several lines.
    /// It is kyaml's `NewStringRNode`.
    pub fn string(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let mut node = Self::new(Data::Scalar(CompactString::new(text)), TagSlot::Known(Tag::Str));
        if text.contains('\n') {
            node.style = Style::LITERAL;
        }
        node
    }

    /// A scalar with one of the core tags.
    pub fn tagged_scalar(tag: Tag, text: impl AsRef<str>) -> Self {
        Self::new(Data::Scalar(CompactString::new(text)), TagSlot::Known(tag))
    }

    /// An integer.
    pub fn int(value: i64) -> Self {
        Self::tagged_scalar(Tag::Int, value.to_string())
    }

    /// `true` or `false`.
    pub fn bool(value: bool) -> Self {
        Self::tagged_scalar(Tag::Bool, if value { "true" } else { "false" })
    }

    /// `null`.
    pub fn null() -> Self {
        Self::tagged_scalar(Tag::Null, "null")
    }

    /// An empty mapping.
    pub fn mapping() -> Self {
        Self::from_entries(Vec::new())
    }

    /// A mapping of the given pairs, in that order.
    pub fn from_entries(entries: Vec<(Node, Node)>) -> Self {
        Self::new(Data::Mapping(entries), TagSlot::Known(Tag::Map))
    }

    /// An empty sequence.
    pub fn sequence() -> Self {
        Self::from_items(Vec::new())
    }

    /// A sequence of the given items.
    pub fn from_items(items: Vec<Node>) -> Self {
        Self::new(Data::Sequence(items), TagSlot::Known(Tag::Seq))
    }

    /// An alias to the anchor `name`.
    pub fn alias(name: impl AsRef<str>) -> Self {
        Self::new(Data::Alias(CompactString::new(name)), TagSlot::Unset)
    }

    /// The same node in another style.
    #[must_use]
    pub fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    pub(crate) fn set_entries(&mut self, entries: Vec<(Node, Node)>) {
        self.data = Data::Mapping(entries);
    }

    pub(crate) fn set_items(&mut self, items: Vec<Node>) {
        self.data = Data::Sequence(items);
    }

    pub(crate) fn at(mut self, line: u32, column: u32) -> Self {
        self.line = line;
        self.column = column;
        self
    }
}

/// # What it is
impl Node {
    /// What this node is.
    pub fn kind(&self) -> Kind {
        match self.data {
            Data::Scalar(_) => Kind::Scalar,
            Data::Mapping(_) => Kind::Mapping,
            Data::Sequence(_) => Kind::Sequence,
            Data::Alias(_) => Kind::Alias,
        }
    }

    /// Whether this is a scalar.
    pub fn is_scalar(&self) -> bool {
        matches!(self.data, Data::Scalar(_))
    }

    /// Whether this is a mapping.
    pub fn is_mapping(&self) -> bool {
        matches!(self.data, Data::Mapping(_))
    }

    /// Whether this is a sequence.
    pub fn is_sequence(&self) -> bool {
        matches!(self.data, Data::Sequence(_))
    }

    /// Whether this is a null scalar, by its tag as kyaml asks (`IsTaggedNull`).
    pub fn is_null(&self) -> bool {
        self.is_scalar() && self.tag == TagSlot::Known(Tag::Null)
    }

    /// Whether this is an empty mapping, an empty sequence, or null.
    pub fn is_empty(&self) -> bool {
        match &self.data {
            Data::Mapping(entries) => entries.is_empty(),
            Data::Sequence(items) => items.is_empty(),
            Data::Scalar(_) | Data::Alias(_) => self.is_null(),
        }
    }

    /// The tag as stored: short (`!!int`) for the core types, empty if none was set.
    pub fn tag(&self) -> &str {
        match self.tag {
            TagSlot::Unset => "",
            TagSlot::Known(tag) => tag.as_str(),
            TagSlot::Custom => self
                .extra
                .as_ref()
                .and_then(|extra| extra.custom_tag.as_deref())
                .unwrap_or(""),
        }
    }

    /// The stored tag if it is one of the core ones.
    pub fn core_tag(&self) -> Option<Tag> {
        match self.tag {
            TagSlot::Known(tag) => Some(tag),
            TagSlot::Unset | TagSlot::Custom => None,
        }
    }

    /// Sets the tag; a long core form is shortened, the empty text removes it.
    pub fn set_tag(&mut self, tag: &str) {
        if let Some(known) = Tag::parse(tag) {
            self.set_core_tag(known);
        } else if tag.is_empty() {
            self.tag = TagSlot::Unset;
        } else {
            self.tag = TagSlot::Custom;
            self.extra_mut().custom_tag = Some(tag.into());
        }
    }

    /// Sets one of the core tags.
    pub fn set_core_tag(&mut self, tag: Tag) {
        self.tag = TagSlot::Known(tag);
    }

    /// The style it was read in or is to be written in.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Sets the style.
    pub fn set_style(&mut self, style: Style) {
        self.style = style;
    }

    /// The 1-based source line; 0 if the node was not read.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The 1-based source column in characters; 0 if the node was not read.
    pub fn column(&self) -> u32 {
        self.column
    }

    /// The anchor name, empty if there is none.
    pub fn anchor(&self) -> &str {
        self.extra
            .as_ref()
            .and_then(|extra| extra.anchor.as_deref())
            .unwrap_or("")
    }

    /// Sets the anchor name; the empty text removes it.
    pub fn set_anchor(&mut self, name: &str) {
        if name.is_empty() {
            if let Some(extra) = &mut self.extra {
                extra.anchor = None;
                if extra.is_empty() {
                    self.extra = None;
                }
            }
        } else {
            self.extra_mut().anchor = Some(name.into());
        }
    }

    /// The comments around this node.
    pub fn comments(&self) -> &Comments {
        static NONE: Comments = Comments {
            head: String::new(),
            line: String::new(),
            foot: String::new(),
        };
        self.extra.as_ref().map_or(&NONE, |extra| &extra.comments)
    }

    /// The comments around this node, to change them.
    pub fn comments_mut(&mut self) -> &mut Comments {
        &mut self.extra_mut().comments
    }

    /// The comments of the document this node is the root of; `line` is unused.
    pub fn document_comments(&self) -> &Comments {
        static NONE: Comments = Comments {
            head: String::new(),
            line: String::new(),
            foot: String::new(),
        };
        self.extra.as_ref().map_or(&NONE, |extra| &extra.document)
    }

    /// The comments of the document this node is the root of, to change them.
    pub fn document_comments_mut(&mut self) -> &mut Comments {
        &mut self.extra_mut().document
    }

    /// Takes the foot comment away, if there is one.
    pub(crate) fn take_foot(&mut self) -> Option<String> {
        let extra = self.extra.as_mut()?;
        let foot = std::mem::take(&mut extra.comments.foot);
        (!foot.is_empty()).then_some(foot)
    }

    /// Bytes of what is not in the node itself.
    pub(crate) fn bytes_outside(&self) -> usize {
        let Some(extra) = &self.extra else { return 0 };
        let texts = [&extra.custom_tag, &extra.anchor];
        let texts: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        size_of::<Extra>() + texts + extra.comments.bytes() + extra.document.bytes()
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

/// # Scalars
impl Node {
    /// The text of a scalar, whatever its type; `None` for anything else.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar or the name of an alias (Go's `Node.Value`); empty for collections.
    pub fn text(&self) -> &str {
        match &self.data {
            Data::Scalar(text) | Data::Alias(text) => text,
            Data::Mapping(_) | Data::Sequence(_) => "",
        }
    }

    /// Replaces the text of a scalar and keeps tag, style and comments. A collection becomes a scalar.
    pub fn set_text(&mut self, text: impl AsRef<str>) {
        self.data = Data::Scalar(CompactString::new(text));
    }
}

/// # Mappings
impl Node {
    /// The pairs of a mapping in order; empty for anything else.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.data {
            Data::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The pairs of a mapping, to add, remove, reorder or change them.
    pub fn entries_mut(&mut self) -> Option<&mut Vec<(Node, Node)>> {
        match &mut self.data {
            Data::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The pairs of a mapping; empty for anything else.
    pub fn into_entries(self) -> Vec<(Node, Node)> {
        match self.data {
            Data::Mapping(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// The position of the first pair with this scalar key.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.entries().iter().position(|(k, _)| k.as_str() == Some(key))
    }

    /// Whether a mapping has this key.
    pub fn has(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// The value of the first pair with this scalar key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The value of the first pair with this scalar key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries_mut()?
            .iter_mut()
            .find(|(k, _)| k.as_str() == Some(key))
            .map(|(_, value)| value)
    }

    /// The value below a chain of keys.
    pub fn get_path(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value below a chain of keys, to change it.
    pub fn get_path_mut(&mut self, keys: &[&str]) -> Option<&mut Node> {
        keys.iter().try_fold(self, |node, key| node.get_mut(key))
    }

    /// Sets the value of `key`: the first pair with it keeps its place and key node, else a pair is added at the end.
    /// Gives back the value that was there. Anything but a mapping stays as it is and the value is given back.
    pub fn set(&mut self, key: &str, value: Node) -> Option<Node> {
        if let Some(slot) = self.get_mut(key) {
            return Some(std::mem::replace(slot, value));
        }
        match self.entries_mut() {
            Some(entries) => {
                entries.push((Node::string(key), value));
                None
            }
            None => Some(value),
        }
    }

    /// The value of `key`, made by `make` and added at the end if missing; `None` if this is not a mapping.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Node) -> Option<&mut Node> {
        let position = self.position(key);
        let entries = self.entries_mut()?;
        let position = position.unwrap_or_else(|| {
            entries.push((Node::string(key), make()));
            entries.len() - 1
        });
        entries.get_mut(position).map(|(_, value)| value)
    }

    /// Removes the first pair with this key and gives back its value; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let position = self.position(key)?;
        Some(self.entries_mut()?.remove(position).1)
    }
}

/// # Sequences
impl Node {
    /// The items of a sequence; empty for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The items of a sequence, to change them.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.data {
            Data::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a sequence; empty for anything else.
    pub fn into_items(self) -> Vec<Node> {
        match self.data {
            Data::Sequence(items) => items,
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_small() {
        assert!(size_of::<Node>() <= 56, "{}", size_of::<Node>());
    }

    #[test]
    fn set_keeps_the_place_of_an_existing_key() {
        let mut node = Node::mapping();
        assert!(node.set("a", Node::int(1)).is_none());
        assert!(node.set("b", Node::int(2)).is_none());
        assert_eq!(node.set("a", Node::string("x")).unwrap().text(), "1");
        let keys: Vec<_> = node.entries().iter().map(|(k, v)| (k.text(), v.text())).collect();
        assert_eq!(keys, [("a", "x"), ("b", "2")]);
        assert_eq!(node.remove("a").unwrap().text(), "x");
        assert!(!node.has("a"));
    }

    #[test]
    fn a_long_tag_is_kept_short() {
        let mut node = Node::scalar("x");
        assert_eq!(node.tag(), "");
        node.set_tag("tag:yaml.org,2002:int");
        assert_eq!(node.tag(), "!!int");
        node.set_tag("!own");
        assert_eq!((node.tag(), node.core_tag()), ("!own", None));
    }
}

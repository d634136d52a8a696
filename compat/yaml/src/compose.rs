//! Events to trees.

use std::collections::HashSet;

use crate::node::{Node, Style, Tag};
use crate::parser::{Event, EventKind, Parser, Props};
use crate::resolve::{resolve_plain, short_tag};
use crate::scanner::{Flavor, Mark, ScalarStyle, Scanner};
use crate::{Comments, Error, Limits};

/// Reads the documents of one stream.
///
/// In the v3 flavour every node gets the tag that its text resolves to; in the v2 flavour only written tags are kept,
/// because `yaml.v2` resolves later.
pub(crate) struct Composer<'a> {
    parser: Parser<'a>,
    flavor: Flavor,
    max_nesting: usize,
    max_nodes: usize,
    nodes: usize,
    anchors: HashSet<&'a str>,
    /// The children of all open sequences, and of all open mappings; each collection gets its own list when it closes, which
    /// is then exactly as large as it has to be.
    items: Vec<Node>,
    pairs: Vec<(Node, Node)>,
}

/// A collection that is not complete yet.
struct Open {
    node: Node,
    /// Where its children start in `items` or `pairs`.
    start: usize,
    /// The key whose value comes next.
    key: Option<Node>,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(text: &'a str, problem: Option<&'static str>, flavor: Flavor, limits: &Limits) -> Self {
        Self {
            parser: Parser::new(Scanner::new(text, problem, flavor, limits)),
            flavor,
            max_nesting: limits.max_nesting,
            max_nodes: limits.max_nodes,
            nodes: 0,
            anchors: HashSet::new(),
            items: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// The root of the next document; `None` at the end of the stream.
    pub(crate) fn next_document(&mut self) -> Result<Option<Node>, Error> {
        let event = self.parser.next_event()?;
        if matches!(event.kind, EventKind::StreamEnd) {
            return Ok(None);
        }
        let head = event.comments.map(|comments| comments.head);
        if self.flavor == Flavor::V2 {
            self.anchors.clear();
        }
        self.items.clear();
        self.pairs.clear();
        let mut root = self.compose_root()?;
        let end = self.parser.next_event()?;
        let foot = end.comments.map(|comments| comments.foot);
        if head.is_some() || foot.is_some() {
            let document = root.document_comments_mut();
            document.head = head.unwrap_or_default();
            document.foot = foot.unwrap_or_default();
        }
        Ok(Some(root))
    }

    fn compose_root(&mut self) -> Result<Node, Error> {
        let mut stack: Vec<Open> = Vec::new();
        let mut skipped = 0_usize;
        let mut too_deep = false;
        loop {
            let event = self.parser.next_event()?;
            if too_deep {
                // What is too deep is read to the end all the same, so that a syntax error in it is the one reported.
                match event.kind {
                    EventKind::SequenceStart { .. } | EventKind::MappingStart { .. } => skipped += 1,
                    EventKind::SequenceEnd | EventKind::MappingEnd if skipped > 0 => skipped -= 1,
                    EventKind::DocumentEnd | EventKind::StreamEnd => {
                        let text = format!("yaml: nested more than {} levels deep", self.max_nesting);
                        return Err(Error::limit(text));
                    }
                    _ => {}
                }
                continue;
            }
            let complete = match event.kind {
                EventKind::SequenceStart { .. } | EventKind::MappingStart { .. } => {
                    if stack.len() >= self.max_nesting {
                        too_deep = true;
                    } else {
                        self.count()?;
                        stack.push(self.open(event));
                    }
                    continue;
                }
                EventKind::SequenceEnd | EventKind::MappingEnd => match stack.pop() {
                    Some(open) => self.close(open, event.comments),
                    None => continue,
                },
                EventKind::Scalar { .. } | EventKind::Alias(_) => {
                    self.count()?;
                    self.leaf(event)?
                }
                EventKind::DocumentStart | EventKind::DocumentEnd | EventKind::StreamEnd => {
                    return Err(Error::decode(
                        "attempted to go past the end of stream; corrupted value?",
                    ));
                }
            };
            match stack.last_mut() {
                Some(parent) => self.add(parent, complete),
                None => return Ok(complete),
            }
        }
    }

    /// Counts a node that is about to be made.
    fn count(&mut self) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > self.max_nodes {
            let text = format!("yaml: more than {} values", self.max_nodes);
            return Err(Error::limit(text));
        }
        Ok(())
    }

    fn open(&mut self, event: Event<'a>) -> Open {
        let (mut node, props, flow, start) = match event.kind {
            EventKind::MappingStart { props, flow } => (Node::mapping(), props, flow, self.pairs.len()),
            EventKind::SequenceStart { props, flow } => (Node::sequence(), props, flow, self.items.len()),
            _ => (Node::sequence(), Props::default(), false, self.items.len()),
        };
        if flow {
            node.set_style(Style::FLOW);
        }
        Open {
            node: self.finish(node, &props, event.start, event.comments),
            start,
            key: None,
        }
    }

    fn leaf(&mut self, event: Event<'a>) -> Result<Node, Error> {
        match event.kind {
            EventKind::Alias(name) => {
                if !self.anchors.contains(name) {
                    return Err(Error::decode(format!("unknown anchor '{name}' referenced")));
                }
                Ok(self.finish(Node::alias(name), &Props::default(), event.start, event.comments))
            }
            EventKind::Scalar { props, value, style } => {
                let mut node = Node::scalar(&value);
                node.set_style(match style {
                    ScalarStyle::Plain => Style::DEFAULT,
                    ScalarStyle::SingleQuoted => Style::SINGLE_QUOTED,
                    ScalarStyle::DoubleQuoted => Style::DOUBLE_QUOTED,
                    ScalarStyle::Literal => Style::LITERAL,
                    ScalarStyle::Folded => Style::FOLDED,
                });
                if self.flavor == Flavor::V3 {
                    node.set_core_tag(match style {
                        ScalarStyle::Plain if value == "<<" => Tag::Merge,
                        ScalarStyle::Plain => resolve_plain(Flavor::V3, &value).tag(),
                        _ => Tag::Str,
                    });
                }
                Ok(self.finish(node, &props, event.start, event.comments))
            }
            _ => Err(Error::decode("expected a scalar")),
        }
    }

    /// Adds what every kind of node can have.
    fn finish(
        &mut self,
        mut node: Node,
        props: &Props<'a>,
        start: Mark,
        comments: Option<Box<Comments>>,
    ) -> Node {
        match (props.tag.as_deref(), self.flavor) {
            (None, _) | (Some("!"), Flavor::V3) => {}
            (Some(tag), Flavor::V2) => node.set_tag(tag),
            (Some(tag), Flavor::V3) => {
                node.set_tag(&short_tag(tag));
                node.set_style(node.style().with(Style::TAGGED));
            }
        }
        if let Some(anchor) = props.anchor {
            self.anchors.insert(anchor);
            node.set_anchor(anchor);
        }
        if let Some(comments) = comments {
            *node.comments_mut() = *comments;
        }
        node.at(start.line + 1, start.column + 1)
    }

    /// Adds a child. In mappings, feet move to the key of the value above them.
    fn add(&mut self, parent: &mut Open, mut child: Node) {
        if !parent.node.is_mapping() {
            self.items.push(child);
            return;
        }
        let Some(mut key) = parent.key.take() else {
            let block = !parent.node.style().contains(Style::FLOW);
            if block
                && let Some((previous, _)) = self.pairs.get_mut(parent.start..).and_then(<[_]>::last_mut)
                && let Some(foot) = child.take_foot()
            {
                previous.comments_mut().foot = foot;
            }
            parent.key = Some(child);
            return;
        };
        if key.comments().foot.is_empty()
            && let Some(foot) = child.take_foot()
        {
            key.comments_mut().foot = foot;
        }
        self.pairs.push((key, child));
    }

    fn close(&mut self, open: Open, comments: Option<Box<Comments>>) -> Node {
        let Open { mut node, start, .. } = open;
        if let Some(comments) = comments {
            let own = node.comments_mut();
            own.line = comments.line;
            own.foot = comments.foot;
        } else if !node.comments().is_empty() {
            let own = node.comments_mut();
            own.line.clear();
            own.foot.clear();
        }
        if !node.is_mapping() {
            node.set_items(self.items.split_off(start));
            return node;
        }
        let mut pairs = self.pairs.split_off(start);
        if !node.style().contains(Style::FLOW)
            && let Some((key, _)) = pairs.last_mut()
            && let Some(foot) = node.take_foot()
        {
            key.comments_mut().foot = foot;
        }
        node.set_entries(pairs);
        node
    }
}

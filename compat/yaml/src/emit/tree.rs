//! Trees as `yaml.v3` prints them.
//!
//! Comments wait in five slots until the printer passes a place for their kind, as in Go: a head or a foot that finds no
//! place at its own node is written at the next one.

use super::analysis::{analyze, has_break};
use super::options::EmitOptions;
use super::writer::{Writer, select_style};
use super::{MAX_DEPTH, too_deep};
use crate::node::{Kind, LONG_TAG_PREFIX, Node, Style, Tag};
use crate::resolve::resolve_plain;
use crate::scanner::{Flavor, ScalarStyle};
use crate::{Comments, Error};

/// Appends one document.
pub(crate) fn write_document(out: &mut String, root: &Node, options: EmitOptions) -> Result<(), Error> {
    let mut writer = Writer::new(options.indent.clamp(2, 9), usize::MAX, options.max_bytes);
    writer.out = std::mem::take(out);
    let mut printer = Printer {
        writer,
        compact: options.compact_sequences,
        pending: Pending::default(),
        depth: 0,
    };
    let done = printer.document(root);
    *out = printer.writer.out;
    done
}

struct Printer<'a> {
    writer: Writer,
    compact: bool,
    pending: Pending<'a>,
    depth: usize,
}

/// Comments that were met and not written yet; empty where there is none.
#[derive(Default)]
struct Pending<'a> {
    head: &'a str,
    line: &'a str,
    foot: &'a str,
    /// The foot of the key before this one.
    tail: &'a str,
    key_line: &'a str,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    BlockItem,
    FlowItem,
    SimpleKey,
    ComplexKey,
    BlockValue,
    FlowValue,
}

impl Place {
    fn is_in_mapping(self) -> bool {
        matches!(
            self,
            Self::SimpleKey | Self::ComplexKey | Self::BlockValue | Self::FlowValue
        )
    }
}

impl<'a> Pending<'a> {
    fn add(&mut self, comments: &'a Comments, tail: &'a str) {
        let set = |slot: &mut &'a str, text: &'a str| {
            if !text.is_empty() {
                *slot = text;
            }
        };
        set(&mut self.head, &comments.head);
        set(&mut self.line, &comments.line);
        set(&mut self.foot, &comments.foot);
        set(&mut self.tail, tail);
    }

    /// Whether something has to be written behind the current node.
    fn trails(&self) -> bool {
        !(self.line.is_empty() && self.foot.is_empty() && self.tail.is_empty())
    }
}

/// How a node is written: its tag, if any, and the style of a scalar.
struct Look<'a> {
    tag: Option<(&'static str, &'a str)>,
    style: ScalarStyle,
}

impl<'a> Printer<'a> {
    fn document(&mut self, root: &'a Node) -> Result<(), Error> {
        let document = root.document_comments();
        self.pending.head = &document.head;
        if !self.pending.head.is_empty() {
            self.head_comment();
            self.writer.put_break();
        }
        self.meet(root, "");
        self.head_comment();
        self.node(root, Place::Root)?;
        if !document.foot.is_empty() {
            self.pending.foot = &document.foot;
        }
        self.writer.foot_indent = 0;
        self.foot_comment();
        self.writer.foot_indent = -1;
        self.writer.write_indent();
        Ok(())
    }

    // ---- comments ----

    /// Collects the comments of a node before it is written. Collections show line and foot at their end only.
    fn meet(&mut self, node: &'a Node, tail: &'a str) {
        let comments = node.comments();
        match node.kind() {
            Kind::Scalar => {
                self.pending.add(comments, tail);
            }
            Kind::Alias => self.pending.add(comments, ""),
            Kind::Mapping | Kind::Sequence => {
                if !comments.head.is_empty() {
                    self.pending.head = &comments.head;
                }
                if node.is_mapping() && !tail.is_empty() {
                    self.pending.tail = tail;
                }
            }
        }
    }

    fn meet_end(&mut self, node: &'a Node, tail: &'a str, place: Place) {
        let comments = node.comments();
        if !comments.line.is_empty() {
            self.pending.line = &comments.line;
        }
        // The foot of a key waits for the end of its value.
        if !comments.foot.is_empty() && !matches!(place, Place::SimpleKey | Place::ComplexKey) {
            self.pending.foot = &comments.foot;
        }
        if !tail.is_empty() {
            self.pending.tail = tail;
        }
    }

    fn head_comment(&mut self) {
        let tail = std::mem::take(&mut self.pending.tail);
        if !tail.is_empty() {
            self.writer.write_indent();
            self.writer.write_comment(tail);
            self.writer.foot_indent = self.writer.indent.max(0);
        }
        let head = std::mem::take(&mut self.pending.head);
        if !head.is_empty() {
            self.writer.write_indent();
            self.writer.write_comment(head);
        }
    }

    fn line_comment(&mut self) {
        let line = std::mem::take(&mut self.pending.line);
        if !line.is_empty() {
            self.writer.separate();
            self.writer.write_comment(line);
        }
    }

    fn foot_comment(&mut self) {
        let foot = std::mem::take(&mut self.pending.foot);
        if !foot.is_empty() {
            self.writer.write_indent();
            self.writer.write_comment(foot);
            self.writer.foot_indent = self.writer.indent.max(0);
        }
    }

    // ---- nodes ----

    /// Writes a node whose comments were met. What trails it is written behind its first line.
    fn node(&mut self, node: &'a Node, place: Place) -> Result<(), Error> {
        self.looking_node(node, &look_of(node), place)
    }

    fn looking_node(&mut self, node: &'a Node, look: &Look<'_>, place: Place) -> Result<(), Error> {
        self.writer.check_size()?;
        self.props(node, look)?;
        match node.kind() {
            Kind::Alias => {}
            Kind::Scalar => self.scalar(node.text(), look.style, place),
            Kind::Mapping | Kind::Sequence => {
                self.behind_first_line(place);
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(too_deep());
                }
                let done = self.collection(node, place);
                self.depth -= 1;
                return done;
            }
        }
        self.behind_first_line(place);
        Ok(())
    }

    fn behind_first_line(&mut self, place: Place) {
        match place {
            Place::SimpleKey | Place::ComplexKey => return,
            Place::FlowItem | Place::FlowValue if self.pending.trails() => {
                self.writer.write_indicator(",", false, false, false);
            }
            _ => {}
        }
        self.line_comment();
        self.foot_comment();
    }

    fn collection(&mut self, node: &'a Node, place: Place) -> Result<(), Error> {
        let outer = self.writer.indent;
        let flow = self.writer.flow_level > 0
            || node.style().contains(Style::FLOW)
            || (node.entries().is_empty() && node.items().is_empty());
        match (node.kind(), flow) {
            (Kind::Mapping, true) => self.flow_mapping(node, place, outer),
            (Kind::Mapping, false) => self.block_mapping(node, place, outer),
            (_, true) => self.flow_sequence(node, place, outer),
            (_, false) => self.block_sequence(node, place, outer),
        }
    }

    /// Goes one level deeper: two columns inside a list item, else to the next multiple of the step.
    fn increase_indent(&mut self, flow: bool, place: Place, compact: bool) {
        let writer = &mut self.writer;
        if writer.indent < 0 {
            writer.indent = if flow { writer.step } else { 0 };
        } else if place == Place::BlockItem {
            writer.indent += 2;
        } else {
            writer.indent = writer.step * ((writer.indent + writer.step) / writer.step);
            if compact {
                writer.indent -= 2;
            }
        }
    }

    fn block_sequence(&mut self, node: &'a Node, place: Place, outer: i32) -> Result<(), Error> {
        let writer = &self.writer;
        let compact = self.compact && place.is_in_mapping() && (writer.column == 0 || !writer.indention);
        self.increase_indent(false, place, compact);
        for item in node.items() {
            self.meet(item, "");
            self.head_comment();
            self.writer.write_indent();
            self.writer.write_indicator("-", true, false, true);
            self.node(item, Place::BlockItem)?;
        }
        self.meet_end(node, "", place);
        self.writer.indent = outer;
        Ok(())
    }

    fn block_mapping(&mut self, node: &'a Node, place: Place, outer: i32) -> Result<(), Error> {
        self.increase_indent(false, place, false);
        let mut tail = "";
        for (key, value) in node.entries() {
            self.meet_key(key, tail);
            tail = &key.comments().foot;
            self.head_comment();
            self.writer.write_indent();
            if !self.pending.line.is_empty() {
                self.pending.key_line = std::mem::take(&mut self.pending.line);
            }
            let look = look_of(key);
            if is_simple_key(key, &look) {
                self.looking_node(key, &look, Place::SimpleKey)?;
                self.meet(value, "");
                self.writer.write_indicator(":", false, false, false);
            } else {
                self.writer.write_indicator("?", true, false, true);
                self.looking_node(key, &look, Place::ComplexKey)?;
                self.meet(value, "");
                self.writer.write_indent();
                self.writer.write_indicator(":", true, false, true);
            }
            self.place_key_line_comment(value);
            self.node(value, Place::BlockValue)?;
        }
        self.meet_end(node, tail, place);
        self.head_comment();
        self.writer.indent = outer;
        Ok(())
    }

    /// Like `meet`, but the foot of a key waits for the end of its value.
    fn meet_key(&mut self, key: &'a Node, tail: &'a str) {
        let foot = self.pending.foot;
        self.meet(key, tail);
        self.pending.foot = foot;
    }

    /// A comment behind a key goes to its scalar, or at once behind the `:` if lines follow below.
    fn place_key_line_comment(&mut self, value: &'a Node) {
        if self.pending.key_line.is_empty() {
            return;
        }
        match value.kind() {
            Kind::Scalar if self.pending.line.is_empty() => {
                self.pending.line = std::mem::take(&mut self.pending.key_line);
            }
            Kind::Mapping | Kind::Sequence if !value.style().contains(Style::FLOW) => {
                std::mem::swap(&mut self.pending.line, &mut self.pending.key_line);
                self.line_comment();
                std::mem::swap(&mut self.pending.line, &mut self.pending.key_line);
            }
            _ => {}
        }
    }

    fn flow_sequence(&mut self, node: &'a Node, place: Place, outer: i32) -> Result<(), Error> {
        self.writer.write_indicator("[", true, true, false);
        self.increase_indent(true, place, false);
        self.writer.flow_level += 1;
        let mut trailed = true;
        for item in node.items() {
            self.meet(item, "");
            if !trailed {
                self.writer.write_indicator(",", false, false, false);
            }
            self.head_comment();
            if self.writer.column == 0 {
                self.writer.write_indent();
            }
            trailed = self.pending.trails();
            self.node(item, Place::FlowItem)?;
        }
        self.meet_end(node, "", place);
        self.writer.flow_level -= 1;
        self.writer.indent = outer;
        if self.writer.column == 0 {
            self.writer.write_indent();
        }
        self.writer.write_indicator("]", false, false, false);
        self.line_comment();
        self.foot_comment();
        Ok(())
    }

    fn flow_mapping(&mut self, node: &'a Node, place: Place, outer: i32) -> Result<(), Error> {
        self.writer.write_indicator("{", true, true, false);
        self.increase_indent(true, place, false);
        self.writer.flow_level += 1;
        let mut trailed = true;
        let mut tail = "";
        for (key, value) in node.entries() {
            self.meet_key(key, tail);
            tail = &key.comments().foot;
            if !trailed {
                self.writer.write_indicator(",", false, false, false);
            }
            self.head_comment();
            if self.writer.column == 0 {
                self.writer.write_indent();
            }
            let look = look_of(key);
            if is_simple_key(key, &look) {
                self.looking_node(key, &look, Place::SimpleKey)?;
                self.meet(value, "");
                self.writer.write_indicator(":", false, false, false);
            } else {
                self.writer.write_indicator("?", true, false, false);
                self.looking_node(key, &look, Place::ComplexKey)?;
                self.meet(value, "");
                self.writer.write_indicator(":", true, false, false);
            }
            trailed = self.pending.trails();
            self.node(value, Place::FlowValue)?;
        }
        self.meet_end(node, tail, place);
        let pending = &self.pending;
        let commented = !(pending.head.is_empty() && pending.foot.is_empty() && pending.tail.is_empty());
        if commented && !trailed {
            self.writer.write_indicator(",", false, false, false);
        }
        self.head_comment();
        self.writer.flow_level -= 1;
        self.writer.indent = outer;
        self.writer.write_indicator("}", false, false, false);
        self.line_comment();
        self.foot_comment();
        Ok(())
    }

    // ---- scalars ----

    fn props(&mut self, node: &Node, look: &Look<'_>) -> Result<(), Error> {
        if node.kind() == Kind::Alias {
            check_anchor(node.text(), "alias")?;
            self.writer.write_indicator("*", true, false, false);
            self.writer.put_str(node.text());
            self.after_props();
        } else if !node.anchor().is_empty() {
            check_anchor(node.anchor(), "anchor")?;
            self.writer.write_indicator("&", true, false, false);
            self.writer.put_str(node.anchor());
            self.after_props();
        }
        match look.tag {
            None => {}
            Some(("", suffix)) => {
                self.writer.write_indicator("!<", true, false, false);
                self.tag_content(suffix);
                self.writer.write_indicator(">", false, false, false);
            }
            Some((handle, suffix)) => {
                self.writer.separate();
                self.writer.put_str(handle);
                self.after_props();
                if !suffix.is_empty() {
                    self.tag_content(suffix);
                }
            }
        }
        Ok(())
    }

    fn after_props(&mut self) {
        self.writer.whitespace = false;
        self.writer.indention = false;
    }

    fn tag_content(&mut self, text: &str) {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-;/?:@&=+$,_.~*'()[]".contains(&byte) {
                self.writer.put_str(char::from(byte).encode_utf8(&mut [0; 4]));
            } else {
                self.writer.put_str(&format!("%{byte:02X}"));
            }
        }
        self.after_props();
    }

    fn scalar(&mut self, text: &str, wanted: ScalarStyle, place: Place) {
        let simple_key = place == Place::SimpleKey;
        let analysis = analyze(Flavor::V3, text);
        let style = select_style(
            wanted,
            analysis,
            text.is_empty(),
            self.writer.flow_level > 0,
            simple_key,
        );
        let outer = self.writer.indent;
        self.increase_indent(true, place, false);
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let indicator = if style == ScalarStyle::Literal { "|" } else { ">" };
                self.writer.write_block_header(indicator, text);
                if self.pending.line.is_empty() {
                    self.writer.put_break();
                } else {
                    self.line_comment();
                }
                match style {
                    ScalarStyle::Literal => self.writer.write_literal_body(text),
                    _ => self.writer.write_folded_body(text),
                }
            }
            _ => self.writer.write_flow_scalar(text, style, !simple_key),
        }
        self.writer.indent = outer;
    }
}

/// Decides whether the tag has to be written, and the wanted style of a scalar.
fn look_of(node: &Node) -> Look<'_> {
    let mut tag = node.tag();
    let mut force_quotes = false;
    if !tag.is_empty() && !node.style().contains(Style::TAGGED) {
        let implied = match node.kind() {
            Kind::Mapping => Some(Tag::Map),
            Kind::Sequence => Some(Tag::Seq),
            Kind::Scalar if node.core_tag() == Some(Tag::Str) && node.style().is_quoted() => Some(Tag::Str),
            Kind::Scalar => Some(resolve_plain(Flavor::V3, node.text()).tag()),
            Kind::Alias => None,
        };
        if implied == node.core_tag() {
            tag = "";
        } else if node.is_scalar() && node.core_tag() == Some(Tag::Str) {
            tag = "";
            force_quotes = true;
        }
    }
    let style = node.style();
    let style = if style.contains(Style::DOUBLE_QUOTED) {
        ScalarStyle::DoubleQuoted
    } else if style.contains(Style::SINGLE_QUOTED) {
        ScalarStyle::SingleQuoted
    } else if style.contains(Style::LITERAL) {
        ScalarStyle::Literal
    } else if style.contains(Style::FOLDED) {
        ScalarStyle::Folded
    } else if node.text().contains('\n') {
        ScalarStyle::Literal
    } else if force_quotes {
        ScalarStyle::DoubleQuoted
    } else {
        ScalarStyle::Plain
    };
    Look {
        tag: split_tag(tag),
        style,
    }
}

/// Handle and suffix of a tag; no handle stands for `!<suffix>`.
fn split_tag(tag: &str) -> Option<(&'static str, &str)> {
    if tag.is_empty() {
        None
    } else if let Some(suffix) = tag
        .strip_prefix("!!")
        .or_else(|| tag.strip_prefix(LONG_TAG_PREFIX))
    {
        Some(("!!", suffix))
    } else if let Some(suffix) = tag.strip_prefix('!') {
        Some(("!", suffix))
    } else {
        Some(("", tag))
    }
}

fn check_anchor(name: &str, what: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::encode(format!("yaml: {what} value must not be empty")));
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        return Err(Error::encode(format!(
            "yaml: {what} value must contain alphanumerical characters only"
        )));
    }
    Ok(())
}

/// Whether a key fits on the line of its value: up to 128 bytes, without line breaks, no filled collection.
fn is_simple_key(key: &Node, look: &Look<'_>) -> bool {
    const LONGEST: usize = 128;
    let tag = look.tag.map_or(0, |(handle, suffix)| handle.len() + suffix.len());
    let length = tag + key.anchor().len() + key.text().len();
    let simple = match key.kind() {
        Kind::Scalar => !has_break(key.text()),
        Kind::Alias => true,
        Kind::Mapping => key.entries().is_empty(),
        Kind::Sequence => key.items().is_empty(),
    };
    simple && length <= LONGEST
}

//! Tokens to events: the grammar.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::node::LONG_TAG_PREFIX;
use crate::scanner::{CommentKind, Flavor, Mark, ScalarStyle, Scanner, TagParts, Token, TokenKind};
use crate::{Comments, Error};

/// A step of a document.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) kind: EventKind<'a>,
    pub(crate) start: Mark,
    pub(crate) comments: Option<Box<Comments>>,
}

#[derive(Debug)]
pub(crate) enum EventKind<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'a str),
    Scalar {
        props: Props<'a>,
        value: Cow<'a, str>,
        style: ScalarStyle,
    },
    SequenceStart {
        props: Props<'a>,
        flow: bool,
    },
    SequenceEnd,
    MappingStart {
        props: Props<'a>,
        flow: bool,
    },
    MappingEnd,
}

/// Anchor and tag of a node; the tag with its handle resolved.
#[derive(Debug, Default)]
pub(crate) struct Props<'a> {
    pub(crate) anchor: Option<&'a str>,
    pub(crate) tag: Option<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StreamStart,
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirstEntry,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingFirstKey,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequencePairKey,
    FlowSequencePairValue,
    FlowSequencePairEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Where the open collections start, for error texts.
    marks: Vec<Mark>,
    /// The prefix of each handle.
    tag_directives: HashMap<String, String>,
    head: String,
    line: String,
    foot: String,
    /// The head of a whole collection below a `-`.
    stem: String,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(scanner: Scanner<'a>) -> Self {
        Self {
            scanner,
            state: State::StreamStart,
            states: Vec::new(),
            marks: Vec::new(),
            tag_directives: HashMap::new(),
            head: String::new(),
            line: String::new(),
            foot: String::new(),
            stem: String::new(),
        }
    }

    pub(crate) fn next_event(&mut self) -> Result<Event<'a>, Error> {
        match self.state {
            State::StreamStart => self.stream_start(),
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirstEntry => self.block_sequence_entry(true),
            State::BlockSequenceEntry => self.block_sequence_entry(false),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirstKey => self.block_mapping_key(true),
            State::BlockMappingKey => self.block_mapping_key(false),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirstEntry => self.flow_sequence_entry(true),
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowSequencePairKey => self.flow_sequence_pair_key(),
            State::FlowSequencePairValue => self.flow_sequence_pair_value(),
            State::FlowSequencePairEnd => self.flow_sequence_pair_end(),
            State::FlowMappingFirstKey => self.flow_mapping_key(true),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingEmptyValue => {
                let mark = self.peek()?.1;
                self.state = State::FlowMappingKey;
                Ok(Self::empty_scalar(mark))
            }
            State::End => Ok(Self::event(EventKind::StreamEnd, Mark::default())),
        }
    }

    // ---- tokens and comments ----

    /// Looks at the next token: its shape and where it starts and ends. Collects the comments that belong to it.
    fn peek(&mut self) -> Result<(Shape, Mark, Mark), Error> {
        let token = self.scanner.peek()?;
        let seen = (Shape::of(&token.kind), token.start, token.end);
        if self.scanner.flavor() == Flavor::V3 {
            while let Some(comment) = self.scanner.take_comment(seen.1, seen.0 == Shape::BlockEnd) {
                let target = match comment.kind {
                    CommentKind::Head => &mut self.head,
                    CommentKind::Line => &mut self.line,
                    CommentKind::Foot => &mut self.foot,
                };
                if !target.is_empty() {
                    target.push('\n');
                }
                target.push_str(&comment.text);
            }
        }
        Ok(seen)
    }

    fn take(&mut self) -> Option<Token<'a>> {
        self.scanner.take()
    }

    fn take_and_peek(&mut self) -> Result<(Shape, Mark, Mark), Error> {
        self.take();
        self.peek()
    }

    /// The comments collected so far, for the event that takes them.
    fn comments(&mut self) -> Option<Box<Comments>> {
        if self.head.is_empty() && self.line.is_empty() && self.foot.is_empty() {
            self.stem.clear();
            return None;
        }
        self.stem.clear();
        Some(Box::new(Comments {
            head: std::mem::take(&mut self.head),
            line: std::mem::take(&mut self.line),
            foot: std::mem::take(&mut self.foot),
        }))
    }

    fn event(kind: EventKind<'a>, start: Mark) -> Event<'a> {
        Event {
            kind,
            start,
            comments: None,
        }
    }

    fn event_with_comments(&mut self, kind: EventKind<'a>, start: Mark) -> Event<'a> {
        Event {
            kind,
            start,
            comments: self.comments(),
        }
    }

    fn empty_scalar(mark: Mark) -> Event<'a> {
        let kind = EventKind::Scalar {
            props: Props::default(),
            value: Cow::Borrowed(""),
            style: ScalarStyle::Plain,
        };
        Self::event(kind, mark)
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn error(&self, context: Option<Mark>, problem: &str, mark: Mark) -> Error {
        let context = context.map_or(0, |mark| mark.line);
        let line = match self.scanner.flavor() {
            Flavor::V2 if mark.line != 0 => mark.line,
            Flavor::V3 if context == 0 => mark.line,
            Flavor::V2 | Flavor::V3 => context,
        };
        Error::syntax((line != 0).then_some(line), problem)
    }

    /// An error inside the innermost collection.
    fn collection_error(&mut self, problem: &str, mark: Mark) -> Error {
        let context = self.marks.pop();
        self.error(context, problem, mark)
    }

    // ---- documents ----

    fn stream_start(&mut self) -> Result<Event<'a>, Error> {
        self.peek()?;
        self.take();
        self.state = State::ImplicitDocumentStart;
        self.next_event()
    }

    fn document_start(&mut self, implicit: bool) -> Result<Event<'a>, Error> {
        let (mut shape, mut start, _) = self.peek()?;
        while !implicit && shape == Shape::DocumentEnd {
            (shape, start, _) = self.take_and_peek()?;
        }
        if shape == Shape::StreamEnd {
            self.take();
            self.state = State::End;
            return Ok(Self::event(EventKind::StreamEnd, start));
        }
        let explicit = matches!(shape, Shape::Directive | Shape::DocumentStart);
        if implicit && !explicit {
            self.process_directives()?;
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            let head = self.split_document_head();
            let comments = (!head.is_empty()).then(|| {
                Box::new(Comments {
                    head,
                    ..Comments::default()
                })
            });
            return Ok(Event {
                kind: EventKind::DocumentStart,
                start,
                comments,
            });
        }
        self.process_directives()?;
        let (shape, mark, _) = self.peek()?;
        if shape != Shape::DocumentStart {
            return Err(self.error(None, "did not find expected <document start>", mark));
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        self.take();
        Ok(Self::event(EventKind::DocumentStart, start))
    }

    /// Cuts the head before the last blank line off for the document; the rest stays for the first node.
    fn split_document_head(&mut self) -> String {
        let bytes = self.head.as_bytes();
        for at in (1..bytes.len()).rev() {
            if bytes.get(at) != Some(&b'\n') {
                continue;
            }
            let end = if at + 1 == bytes.len() {
                at
            } else if bytes.get(at - 1) == Some(&b'\n') {
                at - 1
            } else {
                continue;
            };
            let rest = self.head.split_off(at + 1);
            let mut head = std::mem::replace(&mut self.head, rest);
            head.truncate(end);
            return head;
        }
        String::new()
    }

    fn process_directives(&mut self) -> Result<(), Error> {
        let mut versioned = false;
        loop {
            let (shape, mark, _) = self.peek()?;
            if shape != Shape::Directive {
                break;
            }
            match self.take().map(|token| token.kind) {
                Some(TokenKind::VersionDirective { major, minor }) => {
                    if versioned {
                        return Err(self.error(None, "found duplicate %YAML directive", mark));
                    }
                    if (major, minor) != (1, 1) {
                        return Err(self.error(None, "found incompatible YAML document", mark));
                    }
                    versioned = true;
                }
                Some(TokenKind::TagDirective(parts)) => {
                    let TagParts { handle, suffix } = *parts;
                    if self.tag_directives.insert(handle, suffix).is_some() {
                        return Err(self.error(None, "found duplicate %TAG directive", mark));
                    }
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event<'a>, Error> {
        let (shape, mark, _) = self.peek()?;
        match shape {
            Shape::Directive | Shape::DocumentStart | Shape::DocumentEnd | Shape::StreamEnd => {
                self.pop_state();
                Ok(Self::empty_scalar(mark))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Result<Event<'a>, Error> {
        let (shape, start, _) = self.peek()?;
        if shape == Shape::DocumentEnd {
            self.take();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        let mut event = self.event_with_comments(EventKind::DocumentEnd, start);
        if let Some(comments) = &mut event.comments
            && comments.foot.is_empty()
        {
            comments.foot = std::mem::take(&mut comments.head);
        }
        Ok(event)
    }

    // ---- nodes ----

    fn node(&mut self, block: bool, indentless: bool) -> Result<Event<'a>, Error> {
        let (mut shape, start, _) = self.peek()?;
        if shape == Shape::Alias {
            self.pop_state();
            let comments = self.comments();
            let Some(Token {
                kind: TokenKind::Alias(name),
                ..
            }) = self.take()
            else {
                return Err(self.error(None, "did not find expected node content", start));
            };
            return Ok(Event {
                kind: EventKind::Alias(name),
                start,
                comments,
            });
        }
        let mut props = Props::default();
        let mut has_props = false;
        if matches!(shape, Shape::Anchor | Shape::Tag) {
            has_props = true;
            shape = self.node_props(&mut props, start)?;
        }
        let mark = self.peek()?.1;
        match shape {
            Shape::BlockEntry if indentless => {
                self.state = State::IndentlessSequenceEntry;
                Ok(Self::event(
                    EventKind::SequenceStart { props, flow: false },
                    start,
                ))
            }
            Shape::Scalar => {
                self.pop_state();
                let comments = self.comments();
                let Some(Token {
                    kind: TokenKind::Scalar { value, style },
                    ..
                }) = self.take()
                else {
                    return Err(self.error(None, "did not find expected node content", start));
                };
                Ok(Event {
                    kind: EventKind::Scalar { props, value, style },
                    start,
                    comments,
                })
            }
            Shape::FlowSequenceStart => {
                self.state = State::FlowSequenceFirstEntry;
                Ok(self.event_with_comments(EventKind::SequenceStart { props, flow: true }, start))
            }
            Shape::FlowMappingStart => {
                self.state = State::FlowMappingFirstKey;
                Ok(self.event_with_comments(EventKind::MappingStart { props, flow: true }, start))
            }
            Shape::BlockSequenceStart if block => {
                self.state = State::BlockSequenceFirstEntry;
                Ok(self.event_with_stem(EventKind::SequenceStart { props, flow: false }, start))
            }
            Shape::BlockMappingStart if block => {
                self.state = State::BlockMappingFirstKey;
                Ok(self.event_with_stem(EventKind::MappingStart { props, flow: false }, start))
            }
            // Go looks at the texts: an empty tag such as `!<>` cannot be written, so having props is enough.
            _ if has_props => {
                self.pop_state();
                let kind = EventKind::Scalar {
                    props,
                    value: Cow::Borrowed(""),
                    style: ScalarStyle::Plain,
                };
                Ok(Self::event(kind, start))
            }
            _ => Err(self.error(Some(start), "did not find expected node content", mark)),
        }
    }

    /// Takes an anchor and a tag in either order; gives the shape of the token behind them.
    fn node_props(&mut self, props: &mut Props<'a>, start: Mark) -> Result<Shape, Error> {
        let mut tag = None;
        loop {
            let (shape, mark, _) = self.peek()?;
            let wanted = match shape {
                Shape::Anchor => props.anchor.is_none(),
                Shape::Tag => tag.is_none(),
                _ => false,
            };
            if !wanted {
                break;
            }
            match self.take().map(|token| token.kind) {
                Some(TokenKind::Anchor(name)) => props.anchor = Some(name),
                Some(TokenKind::Tag(parts)) => tag = Some((parts, mark)),
                _ => break,
            }
        }
        if let Some((parts, mark)) = tag {
            props.tag = Some(self.resolve_tag(*parts, start, mark)?);
        }
        Ok(self.peek()?.0)
    }

    fn resolve_tag(&self, parts: TagParts, start: Mark, mark: Mark) -> Result<Box<str>, Error> {
        let TagParts { handle, suffix } = parts;
        if handle.is_empty() {
            return Ok(suffix.into());
        }
        let prefix = match (self.tag_directives.get(&handle), handle.as_str()) {
            (Some(prefix), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => LONG_TAG_PREFIX,
            (None, _) => return Err(self.error(Some(start), "found undefined tag handle", mark)),
        };
        Ok(format!("{prefix}{suffix}").into())
    }

    fn event_with_stem(&mut self, kind: EventKind<'a>, start: Mark) -> Event<'a> {
        let head = std::mem::take(&mut self.stem);
        let comments = (!head.is_empty()).then(|| {
            Box::new(Comments {
                head,
                ..Comments::default()
            })
        });
        Event {
            kind,
            start,
            comments,
        }
    }

    /// The child of a collection, or an empty scalar at `empty` if the next token is one of `ends`.
    fn child(
        &mut self,
        next: Shape,
        ends: &[Shape],
        then: State,
        empty: Mark,
        (block, indentless): (bool, bool),
    ) -> Result<Event<'a>, Error> {
        if ends.contains(&next) {
            self.state = then;
            Ok(Self::empty_scalar(empty))
        } else {
            self.states.push(then);
            self.node(block, indentless)
        }
    }

    /// Takes the token that opens a collection.
    fn open(&mut self) -> Result<(), Error> {
        let mark = self.peek()?.1;
        self.marks.push(mark);
        self.take();
        Ok(())
    }

    /// Takes the token that closes a collection.
    fn close(&mut self) {
        self.pop_state();
        self.marks.pop();
        self.take();
    }

    // ---- block collections ----

    fn block_sequence_entry(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if first {
            self.open()?;
        }
        let (shape, start, end) = self.peek()?;
        match shape {
            Shape::BlockEntry => {
                let next = self.take_entry()?;
                let ends = [Shape::BlockEntry, Shape::BlockEnd];
                self.child(next, &ends, State::BlockSequenceEntry, end, (true, false))
            }
            Shape::BlockEnd => {
                self.close();
                Ok(Self::event(EventKind::SequenceEnd, start))
            }
            _ => Err(self.collection_error("did not find expected '-' indicator", start)),
        }
    }

    fn indentless_sequence_entry(&mut self) -> Result<Event<'a>, Error> {
        let (shape, start, end) = self.peek()?;
        if shape == Shape::BlockEntry {
            let next = self.take_entry()?;
            let ends = [Shape::BlockEntry, Shape::Key, Shape::Value, Shape::BlockEnd];
            return self.child(next, &ends, State::IndentlessSequenceEntry, end, (true, false));
        }
        self.pop_state();
        Ok(Self::event(EventKind::SequenceEnd, start))
    }

    /// Takes a `-`. If a collection follows, the head above the `-` is kept for the collection as a whole.
    fn take_entry(&mut self) -> Result<Shape, Error> {
        let above = self.head.len();
        self.take();
        // Where there is such a head, Go looks ahead once more and reports what it finds then.
        let next = match self.peek() {
            Err(_) if above > 0 => self.peek(),
            seen => seen,
        }?
        .0;
        if above > 0 && matches!(next, Shape::BlockSequenceStart | Shape::BlockMappingStart) {
            let rest = self.head.get(above + 1..).unwrap_or_default().to_owned();
            self.head.truncate(above);
            self.stem = std::mem::replace(&mut self.head, rest);
        }
        Ok(next)
    }

    fn block_mapping_key(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if first {
            self.open()?;
        }
        let (shape, start, end) = self.peek()?;
        match shape {
            Shape::Key => {
                let next = self.take_and_peek()?.0;
                let ends = [Shape::Key, Shape::Value, Shape::BlockEnd];
                self.child(next, &ends, State::BlockMappingValue, end, (true, true))
            }
            Shape::BlockEnd => {
                let event = self.event_with_comments(EventKind::MappingEnd, start);
                self.close();
                Ok(event)
            }
            _ => Err(self.collection_error("did not find expected key", start)),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event<'a>, Error> {
        let (shape, start, end) = self.peek()?;
        if shape == Shape::Value {
            let next = self.take_and_peek()?.0;
            let ends = [Shape::Key, Shape::Value, Shape::BlockEnd];
            return self.child(next, &ends, State::BlockMappingKey, end, (true, true));
        }
        self.state = State::BlockMappingKey;
        Ok(Self::empty_scalar(start))
    }

    // ---- flow collections ----

    fn flow_sequence_entry(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if first {
            self.open()?;
        }
        let (mut shape, mut start, _) = self.peek()?;
        if shape != Shape::FlowSequenceEnd {
            if !first {
                if shape != Shape::FlowEntry {
                    return Err(self.collection_error("did not find expected ',' or ']'", start));
                }
                (shape, start, _) = self.take_and_peek()?;
            }
            if shape == Shape::Key {
                self.take();
                self.state = State::FlowSequencePairKey;
                return Ok(Self::event(
                    EventKind::MappingStart {
                        props: Props::default(),
                        flow: true,
                    },
                    start,
                ));
            }
            if shape != Shape::FlowSequenceEnd {
                self.states.push(State::FlowSequenceEntry);
                return self.node(false, false);
            }
        }
        let event = self.event_with_comments(EventKind::SequenceEnd, start);
        self.close();
        Ok(event)
    }

    fn flow_sequence_pair_key(&mut self) -> Result<Event<'a>, Error> {
        let (shape, _, end) = self.peek()?;
        if matches!(shape, Shape::Value | Shape::FlowEntry | Shape::FlowSequenceEnd) {
            // As Go does, this takes the token, whatever it is.
            self.take();
            self.state = State::FlowSequencePairValue;
            return Ok(Self::empty_scalar(end));
        }
        self.states.push(State::FlowSequencePairValue);
        self.node(false, false)
    }

    fn flow_sequence_pair_value(&mut self) -> Result<Event<'a>, Error> {
        let (shape, start, _) = self.peek()?;
        if shape == Shape::Value {
            let next = self.take_and_peek()?.0;
            let ends = [Shape::FlowEntry, Shape::FlowSequenceEnd];
            return self.child(next, &ends, State::FlowSequencePairEnd, start, (false, false));
        }
        self.state = State::FlowSequencePairEnd;
        Ok(Self::empty_scalar(start))
    }

    fn flow_sequence_pair_end(&mut self) -> Result<Event<'a>, Error> {
        let start = self.peek()?.1;
        self.state = State::FlowSequenceEntry;
        Ok(Self::event(EventKind::MappingEnd, start))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if first {
            self.open()?;
        }
        let (mut shape, mut start, _) = self.peek()?;
        if shape != Shape::FlowMappingEnd {
            if !first {
                if shape != Shape::FlowEntry {
                    return Err(self.collection_error("did not find expected ',' or '}'", start));
                }
                (shape, start, _) = self.take_and_peek()?;
            }
            if shape == Shape::Key {
                let (next, mark, _) = self.take_and_peek()?;
                let ends = [Shape::Value, Shape::FlowEntry, Shape::FlowMappingEnd];
                return self.child(next, &ends, State::FlowMappingValue, mark, (false, false));
            }
            if shape != Shape::FlowMappingEnd {
                self.states.push(State::FlowMappingEmptyValue);
                return self.node(false, false);
            }
        }
        let event = self.event_with_comments(EventKind::MappingEnd, start);
        self.close();
        Ok(event)
    }

    fn flow_mapping_value(&mut self) -> Result<Event<'a>, Error> {
        let (shape, start, _) = self.peek()?;
        if shape == Shape::Value {
            let (next, mark, _) = self.take_and_peek()?;
            let ends = [Shape::FlowEntry, Shape::FlowMappingEnd];
            return self.child(next, &ends, State::FlowMappingKey, mark, (false, false));
        }
        self.state = State::FlowMappingKey;
        Ok(Self::empty_scalar(start))
    }
}

/// A token kind without its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    StreamStart,
    StreamEnd,
    Directive,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar,
}

impl Shape {
    fn of(kind: &TokenKind<'_>) -> Self {
        match kind {
            TokenKind::StreamStart => Self::StreamStart,
            TokenKind::StreamEnd => Self::StreamEnd,
            TokenKind::VersionDirective { .. } | TokenKind::TagDirective(_) => Self::Directive,
            TokenKind::DocumentStart => Self::DocumentStart,
            TokenKind::DocumentEnd => Self::DocumentEnd,
            TokenKind::BlockSequenceStart => Self::BlockSequenceStart,
            TokenKind::BlockMappingStart => Self::BlockMappingStart,
            TokenKind::BlockEnd => Self::BlockEnd,
            TokenKind::FlowSequenceStart => Self::FlowSequenceStart,
            TokenKind::FlowSequenceEnd => Self::FlowSequenceEnd,
            TokenKind::FlowMappingStart => Self::FlowMappingStart,
            TokenKind::FlowMappingEnd => Self::FlowMappingEnd,
            TokenKind::BlockEntry => Self::BlockEntry,
            TokenKind::FlowEntry => Self::FlowEntry,
            TokenKind::Key => Self::Key,
            TokenKind::Value => Self::Value,
            TokenKind::Alias(_) => Self::Alias,
            TokenKind::Anchor(_) => Self::Anchor,
            TokenKind::Tag(_) => Self::Tag,
            TokenKind::Scalar { .. } => Self::Scalar,
        }
    }
}

//! One label, put into one document of a file, with every other byte as it was.

use go_yaml::{Limits, Node, Style, Tag};
use serde_json::Value;

/// What an edit has done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file with the edit.
    pub text: Vec<u8>,
    /// The first line that is new or changed, from one.
    pub line: usize,
    /// The value that the label had before, if it had one.
    pub former: Option<String>,
}

/// Why a file is not edited: each is for a person to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no text.
    #[error("the file is not UTF-8")]
    NotText,
    /// It is no YAML.
    #[error("the file is not read: {0}")]
    Unreadable(String),
    /// It has no such document.
    #[error("the file has no document {0}")]
    NoDocument(usize),
    /// It is a template of something else.
    #[error("the object is a template: {0:?} would have to be understood")]
    Template(&'static str),
    /// Its labels come from elsewhere in the file.
    #[error("{0} is an alias or has a merge key, so that an edit would change other places too")]
    Shared(&'static str),
    /// The file is encrypted, and its checksum covers labels.
    #[error("the file is encrypted by SOPS, whose checksum covers labels")]
    Encrypted,
    /// It has a form that nobody writes.
    #[error("{0} has a form that is not understood")]
    Form(&'static str),
    /// The edit has done something else than it should.
    #[error("the edited file says something else than the label: this is a fault of openflux")]
    Check,
}

/// Puts a label on the object of one document; nothing if it has it already.
pub fn set_label(text: &[u8], document: usize, key: &str, value: &str) -> Result<Option<Edit>, Refusal> {
    let source = std::str::from_utf8(text).map_err(|_| Refusal::NotText)?;
    let documents = parse(text)?;
    let node = documents.get(document).ok_or(Refusal::NoDocument(document))?;
    let lines = Lines::of(source)?;
    let Some(change) = plan(node, &lines, key, value)? else {
        return Ok(None);
    };
    let (edited, line) = change.apply(text);
    check(&documents, &edited, document, key, value)?;
    Ok(Some(Edit {
        text: edited,
        line,
        former: change.former,
    }))
}

fn parse(text: &[u8]) -> Result<Vec<Node>, Refusal> {
    go_yaml::v3::parse(text, &Limits::default()).map_err(|error| Refusal::Unreadable(error.to_string()))
}

/// Bytes that come in the place of others.
pub(super) struct Change {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
    former: Option<String>,
}

impl Change {
    /// Returns the file with the change, and the first line that is new or changed.
    pub(super) fn apply(&self, text: &[u8]) -> (Vec<u8>, usize) {
        let mut edited = Vec::with_capacity(text.len() + self.text.len());
        edited.extend_from_slice(&text[..self.start]);
        edited.extend_from_slice(self.text.as_bytes());
        edited.extend_from_slice(&text[self.end..]);
        // What is inserted behind the last line begins with its end.
        let first = self.start + usize::from(self.text.starts_with(['\r', '\n']));
        let line = edited[..first].split(|byte| *byte == b'\n').count();
        (edited, line)
    }

    fn insert(at: usize, text: String) -> Self {
        Self {
            start: at,
            end: at,
            text,
            former: None,
        }
    }
}

/// The lines of a file, by their first bytes.
pub(super) struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
    ending: &'static str,
}

impl<'a> Lines<'a> {
    pub(super) fn of(source: &'a str) -> Result<Self, Refusal> {
        let ending = if source.contains("\r\n") { "\r\n" } else { "\n" };
        // YAML ends lines at these too, so that numbers of lines would mean something else.
        let others = source.replace("\r\n", "\n");
        if others.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return Err(Refusal::Form("an end of a line"));
        }
        let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1));
        Ok(Self {
            source,
            starts: starts.collect(),
            ending,
        })
    }

    /// The first byte of a line, from one.
    fn start(&self, line: u32) -> Result<usize, Refusal> {
        let index = (line as usize).checked_sub(1);
        let start = index.and_then(|index| self.starts.get(index));
        start.copied().ok_or(Refusal::Form("the file"))
    }

    /// Where a node begins.
    fn at(&self, node: &Node) -> Result<usize, Refusal> {
        let start = self.start(node.line())?;
        let rest = self
            .source
            .get(start..)
            .unwrap_or_default()
            .trim_start_matches('\u{feff}');
        let start = self.source.len() - rest.len();
        let column = (node.column() as usize).saturating_sub(1);
        let offset = rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
        Ok(start + offset)
    }

    /// The line of a node up to the node.
    pub(super) fn before(&self, node: &Node) -> Result<&'a str, Refusal> {
        let (start, at) = (self.start(node.line())?, self.at(node)?);
        Ok(self
            .source
            .get(start..at)
            .unwrap_or_default()
            .trim_start_matches('\u{feff}'))
    }

    /// Puts whole lines behind a line.
    pub(super) fn insert_behind(&self, line: u32, new: &[String]) -> Change {
        let lines = new.join(self.ending);
        match self.starts.get(line as usize) {
            Some(next) => Change::insert(*next, format!("{lines}{}", self.ending)),
            // It is the last one, and has no end.
            None => Change::insert(self.source.len(), format!("{}{lines}", self.ending)),
        }
    }

    /// Puts whole lines behind the last one, where the file has one document.
    pub(super) fn append(&self, new: &[String], documents: usize) -> Result<Change, Refusal> {
        if documents != 1 || self.source.lines().any(|line| line.starts_with("...")) {
            return Err(Refusal::Form("the end of the file"));
        }
        let lines = new.join(self.ending);
        let text = if self.source.ends_with('\n') {
            format!("{lines}{}", self.ending)
        } else {
            format!("{}{lines}", self.ending)
        };
        Ok(Change::insert(self.source.len(), text))
    }
}

/// What is written in a template in the place of values.
const TEMPLATES: [&str; 3] = ["{{", "${", "<%"];

fn plan(node: &Node, lines: &Lines<'_>, key: &str, value: &str) -> Result<Option<Change>, Refusal> {
    if !node.is_mapping() {
        return Err(Refusal::Form("the object"));
    }
    if node.has("sops") {
        return Err(Refusal::Encrypted);
    }
    let (metadata_key, metadata) = entry(node, "metadata").ok_or(Refusal::Form("metadata"))?;
    refuse_shared(node, "the object")?;
    refuse_shared(metadata, "metadata")?;
    refuse_template(metadata)?;
    let Some((labels_key, labels)) = entry(metadata, "labels") else {
        return new_labels(metadata_key, metadata, lines, key, value).map(Some);
    };
    refuse_shared(labels, "metadata.labels")?;
    if !labels.anchor().is_empty() {
        return Err(Refusal::Shared("metadata.labels"));
    }
    if let Some((_, present)) = entry(labels, key) {
        return replace(present, lines, value);
    }
    if labels.is_null() {
        // `labels:` with nothing behind it, which a comment may follow.
        if labels.text().is_empty() && is_block_key(labels_key, lines)? {
            let indent = format!("{}  ", lines.before(labels_key)?);
            let line = format!("{indent}{}: {value}", quoted(key, Style::DEFAULT));
            return Ok(Some(lines.insert_behind(labels_key.line(), &[line])));
        }
        return Err(Refusal::Form("metadata.labels"));
    }
    if !labels.is_mapping() {
        return Err(Refusal::Form("metadata.labels"));
    }
    if labels.style().contains(Style::FLOW) {
        let pair = flow_pair(labels, metadata, key, value);
        return flow_insert(labels, lines, &pair).map(Some);
    }
    let Some((first, _)) = labels.entries().first() else {
        return Err(Refusal::Form("metadata.labels"));
    };
    let indent = lines.before(first)?;
    if !indent.bytes().all(|byte| byte == b' ') {
        return Err(Refusal::Form("metadata.labels"));
    }
    let (key_style, value_style) = styles(labels);
    let line = format!(
        "{indent}{}: {}",
        quoted(key, key_style),
        quoted(value, value_style)
    );
    Ok(Some(lines.insert_behind(last_line(labels, labels_key), &[line])))
}

/// Behind which line an entry of a block mapping comes: that of its last entry if that is one line, else that of its key.
fn last_line(mapping: &Node, mapping_key: &Node) -> u32 {
    let last = mapping.entries().last();
    match last {
        Some((key, value)) if is_one_line(key, value) => key.line(),
        _ => mapping_key.line(),
    }
}

/// Whether an entry is surely on one line: its key, and a plain value that can have no second line.
fn is_one_line(key: &Node, value: &Node) -> bool {
    let is_short = !value.text().contains(['\n', ' ']) || value.style().is_quoted();
    let is_block = value.style().contains(Style::LITERAL) || value.style().contains(Style::FOLDED);
    // A quoted text with blanks may be folded.
    let may_fold = value.style().is_quoted() && value.text().contains([' ', '\n']);
    value.is_scalar()
        && value.anchor().is_empty()
        && key.line() == value.line()
        && is_short
        && !is_block
        && !may_fold
}

/// Labels where there are none: behind name and namespace.
fn new_labels(
    metadata_key: &Node,
    metadata: &Node,
    lines: &Lines<'_>,
    key: &str,
    value: &str,
) -> Result<Change, Refusal> {
    if !metadata.is_mapping() {
        return Err(Refusal::Form("metadata"));
    }
    if metadata.style().contains(Style::FLOW) {
        let (key_style, value_style) = styles(metadata);
        let pair = format!(
            "{}: {{{}: {}}}",
            quoted("labels", key_style),
            quoted(key, key_style),
            quoted(value, value_style)
        );
        return flow_insert(metadata, lines, &pair);
    }
    let Some((first, _)) = metadata.entries().first() else {
        return Err(Refusal::Form("metadata"));
    };
    let indent = lines.before(first)?;
    if !indent.bytes().all(|byte| byte == b' ') {
        return Err(Refusal::Form("metadata"));
    }
    let behind = metadata
        .entries()
        .iter()
        .filter(|(key, value)| ["name", "namespace"].contains(&key.text()) && is_one_line(key, value))
        .map(|(key, _)| key.line())
        .max()
        .unwrap_or(metadata_key.line());
    let step = if indent.len() > 1 { indent.len() } else { 2 };
    // The step of this file, as far as one level tells it.
    let step = " ".repeat(step.min(4));
    let (_, value_style) = styles(metadata);
    let new = [
        format!("{indent}labels:"),
        format!(
            "{indent}{step}{}: {}",
            quoted(key, Style::DEFAULT),
            quoted(value, value_style)
        ),
    ];
    Ok(lines.insert_behind(behind, &new))
}

/// Another value in the place of one that is written on one line.
fn replace(present: &Node, lines: &Lines<'_>, value: &str) -> Result<Option<Change>, Refusal> {
    if !present.is_scalar() {
        return Err(Refusal::Form("the label"));
    }
    if present.text() == value {
        return Ok(None);
    }
    if !present.anchor().is_empty() {
        return Err(Refusal::Shared("the label"));
    }
    let start = lines.at(present)?;
    let written = quoted(present.text(), present.style());
    let rest = lines.source.get(start..).unwrap_or_default();
    if present.text().is_empty() || !rest.starts_with(&written) {
        return Err(Refusal::Form("the label"));
    }
    Ok(Some(Change {
        start,
        end: start + written.len(),
        text: quoted(value, present.style()),
        former: Some(present.text().to_owned()),
    }))
}

/// Puts a pair behind the opening brace of a mapping in braces.
fn flow_insert(mapping: &Node, lines: &Lines<'_>, pair: &str) -> Result<Change, Refusal> {
    let at = lines.at(mapping)?;
    let rest = lines.source.get(at..).unwrap_or_default();
    // An anchor or a tag would stand before it.
    let inside = rest
        .strip_prefix('{')
        .ok_or(Refusal::Form("a mapping in braces"))?;
    let blanks = inside.len() - inside.trim_start_matches(' ').len();
    let (at, text) = if mapping.is_empty() {
        (at + 1, pair.to_owned())
    } else if inside[blanks..].starts_with(['\r', '\n']) {
        // One pair a line, as in JSON: like the first of them.
        let first = mapping
            .entries()
            .first()
            .map(|(key, _)| lines.before(key))
            .transpose()?;
        let indent = first.unwrap_or_default();
        if !indent.trim().is_empty() {
            return Err(Refusal::Form("a mapping in braces"));
        }
        (at + 1, format!("{}{indent}{pair},", lines.ending))
    } else {
        (at + 1 + blanks, format!("{pair}, "))
    };
    Ok(Change::insert(at, text))
}

fn flow_pair(labels: &Node, metadata: &Node, key: &str, value: &str) -> String {
    let like = if labels.is_empty() { metadata } else { labels };
    let (key_style, value_style) = styles(like);
    format!("{}: {}", quoted(key, key_style), quoted(value, value_style))
}

/// How keys and values of a mapping are quoted, as far as all of them agree.
fn styles(mapping: &Node) -> (Style, Style) {
    let quotes = |node: &Node| match node.style() {
        style if style.contains(Style::DOUBLE_QUOTED) => Style::DOUBLE_QUOTED,
        style if style.contains(Style::SINGLE_QUOTED) => Style::SINGLE_QUOTED,
        _ => Style::DEFAULT,
    };
    let agreed = |mut styles: Vec<Style>| {
        styles.dedup();
        match styles[..] {
            [style] => style,
            _ => Style::DEFAULT,
        }
    };
    let entries = mapping.entries();
    let keys = entries.iter().map(|(key, _)| quotes(key)).collect();
    let values = entries.iter().filter(|(_, value)| value.is_scalar());
    (
        agreed(keys),
        agreed(values.map(|(_, value)| quotes(value)).collect()),
    )
}

/// A key or a value of a label, which needs no escapes, in quotes of a style.
fn quoted(text: &str, style: Style) -> String {
    if style.contains(Style::DOUBLE_QUOTED) {
        format!("\"{text}\"")
    } else if style.contains(Style::SINGLE_QUOTED) {
        format!("'{text}'")
    } else {
        text.to_owned()
    }
}

fn is_block_key(key: &Node, lines: &Lines<'_>) -> Result<bool, Refusal> {
    Ok(lines.before(key)?.bytes().all(|byte| byte == b' '))
}

fn entry<'a>(mapping: &'a Node, name: &str) -> Option<(&'a Node, &'a Node)> {
    let mut entries = mapping.entries().iter();
    entries
        .find(|(key, _)| key.is_scalar() && key.text() == name)
        .map(|(key, value)| (key, value))
}

pub(super) fn refuse_shared(node: &Node, what: &'static str) -> Result<(), Refusal> {
    let merges = node
        .entries()
        .iter()
        .any(|(key, _)| key.core_tag() == Some(Tag::Merge) || key.text() == "<<");
    if node.kind() == go_yaml::Kind::Alias || merges {
        return Err(Refusal::Shared(what));
    }
    Ok(())
}

fn refuse_template(node: &Node) -> Result<(), Refusal> {
    if node.is_scalar() {
        let found = TEMPLATES.into_iter().find(|sign| node.text().contains(sign));
        return found.map_or(Ok(()), |sign| Err(Refusal::Template(sign)));
    }
    for (key, value) in node.entries() {
        refuse_template(key)?;
        refuse_template(value)?;
    }
    node.items().iter().try_for_each(refuse_template)
}

/// Whether the edited file says what the former one said, and the label besides.
fn check(before: &[Node], edited: &[u8], document: usize, key: &str, value: &str) -> Result<(), Refusal> {
    let after = go_yaml::v3::parse(edited, &Limits::default()).map_err(|_| Refusal::Check)?;
    if before.len() != after.len() {
        return Err(Refusal::Check);
    }
    let json = |node: &Node| go_yaml::v3::to_json(node).map_err(|_| Refusal::Check);
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        if at == document {
            let mut wanted = json(before)?;
            let metadata = wanted.get_mut("metadata").and_then(Value::as_object_mut);
            let metadata = metadata.ok_or(Refusal::Check)?;
            let labels = metadata.entry("labels").or_insert(Value::Null);
            if labels.is_null() {
                *labels = Value::Object(serde_json::Map::new());
            }
            labels[key] = Value::from(value);
            if wanted != json(after)? {
                return Err(Refusal::Check);
            }
        } else if let (Ok(before), Ok(after)) = (json(before), json(after))
            && before != after
        {
            return Err(Refusal::Check);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

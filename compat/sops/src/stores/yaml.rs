//! YAML documents with their comments.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use go_yaml::v3::{self, EmitOptions, ScalarValue};
use go_yaml::{Kind, Node, Style, Tag};

use super::Budget;
use crate::error::{EmitError, LoadError};
use crate::limits::Limits;
use crate::numbers;
use crate::time::Time;
use crate::tree::{Branch, Comment, Item, Key, Value};

/// Reads all documents. The first is checked as Go checks what becomes a map: keys that are there twice, for instance.
pub(crate) fn load(bytes: &[u8], limits: &Limits) -> Result<Vec<Branch>, LoadError> {
    let bounds = go_yaml::Limits {
        max_nesting: limits.max_depth,
        max_bytes: limits.max_bytes,
        max_nodes: limits.max_nodes,
        ..go_yaml::Limits::default()
    };
    let documents = v3::parse(bytes, &bounds).map_err(|error| LoadError::Syntax(error.to_string()))?;
    if documents.len() > limits.max_documents {
        return Err(LoadError::Limit {
            what: "documents",
            allowed: limits.max_documents,
        });
    }
    if let Some(first) = documents.first() {
        v3::check_map(first, &bounds).map_err(|error| LoadError::Syntax(error.to_string()))?;
    }
    let mut budget = Budget::new(limits);
    documents
        .iter()
        .map(|document| {
            let mut reader = Reader {
                targets: targets(document),
                budget: &mut budget,
            };
            reader.document(document)
        })
        .collect()
}

fn syntax(why: &str) -> LoadError {
    LoadError::Syntax(format!("Error unmarshaling input YAML: {why}"))
}

/// What each alias of a document stands for: the last node before it that has the anchor.
fn targets(document: &Node) -> HashMap<*const Node, &Node> {
    let mut anchors = HashMap::new();
    let mut targets = HashMap::new();
    // Nodes in the order of the text; nesting was bounded when they were read.
    let mut stack = vec![document];
    while let Some(node) = stack.pop() {
        if node.kind() == Kind::Alias {
            if let Some(target) = anchors.get(node.text()) {
                targets.insert(std::ptr::from_ref(node), *target);
            }
            continue;
        }
        if !node.anchor().is_empty() {
            anchors.insert(node.anchor(), node);
        }
        stack.extend(node.items().iter().rev());
        for (key, value) in node.entries().iter().rev() {
            stack.push(value);
            stack.push(key);
        }
    }
    targets
}

struct Reader<'n, 'b> {
    targets: HashMap<*const Node, &'n Node>,
    budget: &'b mut Budget,
}

impl<'n> Reader<'n, '_> {
    fn document(&mut self, document: &'n Node) -> Result<Branch, LoadError> {
        let mut branch = Vec::new();
        comments(&mut branch, &document.document_comments().head, false);
        self.root(&mut branch, document, 1)?;
        comments(&mut branch, &document.document_comments().foot, false);
        Ok(branch)
    }

    fn root(&mut self, branch: &mut Branch, node: &'n Node, depth: usize) -> Result<(), LoadError> {
        self.budget.take(depth)?;
        comments(branch, &node.comments().head, false);
        comments(branch, &node.comments().line, false);
        match node.kind() {
            Kind::Mapping => self.entries(branch, node, depth)?,
            Kind::Sequence => return Err(syntax("YAML documents that are sequences are not supported")),
            Kind::Scalar if node.is_null() => return Ok(()),
            Kind::Scalar => return Err(syntax("YAML documents that are values are not supported")),
            Kind::Alias => {
                if let Some(target) = self.target(node) {
                    self.root(branch, target, depth + 1)?;
                }
            }
        }
        comments(branch, &node.comments().foot, false);
        Ok(())
    }

    fn target(&self, alias: &'n Node) -> Option<&'n Node> {
        self.targets.get(&std::ptr::from_ref(alias)).copied()
    }

    fn entries(&mut self, branch: &mut Branch, node: &'n Node, depth: usize) -> Result<(), LoadError> {
        for (key, value) in node.entries() {
            comments(branch, &key.comments().head, false);
            comments(branch, &key.comments().line, false);
            // Objects and lists have their comments in themselves.
            let is_leaf = matches!(value.kind(), Kind::Scalar | Kind::Alias);
            if is_leaf {
                comments(branch, &value.comments().head, false);
                comments(branch, &value.comments().line, true);
            }
            let found = self.value(value, is_leaf, depth + 1)?;
            branch.push(Item {
                key: self.key(key, depth + 1)?,
                value: found,
            });
            if is_leaf {
                comments(branch, &value.comments().foot, false);
            }
            comments(branch, &key.comments().foot, false);
        }
        Ok(())
    }

    fn key(&mut self, key: &'n Node, depth: usize) -> Result<Key, LoadError> {
        let value = self.value(key, true, depth)?;
        let kind = value.kind();
        let text = match value {
            Value::Text(text) => return Ok(Key::Text(text)),
            Value::Null => "%!s(<nil>)".to_owned(),
            Value::Bool(value) => format!("%!s(bool={value})"),
            Value::Int(value) => format!("%!s(int={value})"),
            Value::Uint(value) => format!("%!s(uint64={value})"),
            Value::Float(value) => format!("%!s(float64={})", go_std::float::format_g(value)),
            Value::Time(time) => time.exact(),
            Value::Branch(_) | Value::List(_) | Value::Comment(_) => "an object or a list".to_owned(),
        };
        Ok(Key::Other(kind, text))
    }

    fn value(&mut self, node: &'n Node, handled: bool, depth: usize) -> Result<Value, LoadError> {
        self.budget.take(depth)?;
        match node.kind() {
            Kind::Scalar => Ok(scalar(node)),
            Kind::Alias => match self.target(node) {
                Some(target) => self.value(target, false, depth + 1),
                None => Ok(Value::Null),
            },
            Kind::Mapping => {
                let mut branch = Vec::new();
                if !handled {
                    comments(&mut branch, &node.comments().head, false);
                    comments(&mut branch, &node.comments().line, false);
                }
                self.entries(&mut branch, node, depth)?;
                if !handled {
                    comments(&mut branch, &node.comments().foot, false);
                }
                Ok(Value::Branch(branch))
            }
            Kind::Sequence => {
                let mut list = Vec::new();
                if !handled {
                    list_comments(&mut list, &node.comments().head, false);
                    list_comments(&mut list, &node.comments().line, false);
                }
                for item in node.items() {
                    list_comments(&mut list, &item.comments().head, false);
                    list_comments(&mut list, &item.comments().line, true);
                    let value = self.value(item, true, depth + 1)?;
                    list.push(value);
                    list_comments(&mut list, &item.comments().foot, false);
                }
                if !handled {
                    list_comments(&mut list, &node.comments().foot, false);
                }
                Ok(Value::List(list))
            }
        }
    }
}

fn scalar(node: &Node) -> Value {
    if node.core_tag() == Some(Tag::Binary) {
        let text: String = node.text().split(['\r', '\n']).collect();
        return STANDARD.decode(text).map_or(Value::Null, Value::Text);
    }
    match v3::scalar(node) {
        Ok(ScalarValue::Bool(value)) => Value::Bool(value),
        Ok(ScalarValue::Int(value)) => Value::Int(value),
        Ok(ScalarValue::Uint(value)) => Value::Uint(value),
        Ok(ScalarValue::Float(value)) => Value::Float(value),
        Ok(ScalarValue::Text(text)) => Value::text(text),
        Ok(ScalarValue::Time(text)) => Time::parse(&text).map_or(Value::Null, Value::Time),
        // sops looks at no error here.
        Ok(ScalarValue::Null) | Err(_) => Value::Null,
    }
}

/// The lines of a comment, without their signs.
fn lines(comment: &str) -> impl Iterator<Item = &str> {
    let lines = comment.split('\n').filter(|line| !line.is_empty());
    lines.map(|line| line.get(1..).unwrap_or_default())
}

fn comments(branch: &mut Branch, comment: &str, inline: bool) {
    branch.extend(lines(comment).map(|line| Item::comment(line, inline)));
}

fn list_comments(list: &mut Vec<Value>, comment: &str, inline: bool) {
    list.extend(lines(comment).map(|line| {
        Value::Comment(Comment {
            text: line.into(),
            inline,
        })
    }));
}

/// Prints all documents.
pub(crate) fn emit(documents: &[Branch]) -> Result<Vec<u8>, EmitError> {
    let options = EmitOptions {
        indent: 4,
        compact_sequences: false,
        ..EmitOptions::default()
    };
    let nodes = documents.iter().map(|document| mapping(document));
    let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
    let text = v3::to_string_all(&nodes, &options).map_err(|error| EmitError::Yaml(error.to_string()))?;
    Ok(text.into_bytes())
}

/// Comments that wait for the entry that they belong to.
#[derive(Default)]
struct Pending {
    head: Vec<String>,
    line: Vec<String>,
}

impl Pending {
    fn note(&mut self, comment: &Comment) {
        let text = format!("#{}", String::from_utf8_lossy(&comment.text));
        if comment.inline {
            self.line.push(text);
        } else {
            self.head.push(text);
        }
    }

    fn above(&mut self, node: &mut Node) {
        prepend(&mut node.comments_mut().head, &std::mem::take(&mut self.head));
    }

    fn beside(&mut self, node: &mut Node) {
        append(&mut node.comments_mut().line, &std::mem::take(&mut self.line));
    }

    fn rest(self) -> Vec<String> {
        self.head.into_iter().chain(self.line).collect()
    }
}

fn prepend(place: &mut String, lines: &[String]) {
    if !lines.is_empty() {
        let text = lines.join("\n");
        *place = if place.is_empty() {
            text
        } else {
            format!("{text}\n{place}")
        };
    }
}

fn append(place: &mut String, lines: &[String]) {
    if !lines.is_empty() {
        if !place.is_empty() {
            place.push('\n');
        }
        place.push_str(&lines.join("\n"));
    }
}

fn mapping(branch: &[Item]) -> Result<Node, EmitError> {
    let mut entries: Vec<(Node, Node)> = Vec::new();
    let mut head = Pending::default();
    let mut pending = Pending::default();
    for item in branch {
        let key = match &item.key {
            Key::Comment(comment) => {
                pending.note(comment);
                continue;
            }
            Key::Text(text) => text,
            Key::Other(..) => continue,
        };
        if entries.is_empty() {
            // Above the first entry they belong to the mapping.
            head.head = std::mem::take(&mut pending.head);
        }
        let mut key = leaf(&Value::Text(key.clone()));
        pending.above(&mut key);
        let mut value = node(&item.value)?;
        pending.beside(&mut value);
        entries.push((key, value));
    }
    let rest = pending.rest();
    match entries.last_mut() {
        Some((key, _)) => append(&mut key.comments_mut().foot, &rest),
        None => head.head = rest,
    }
    let mut mapping = Node::from_entries(entries);
    head.above(&mut mapping);
    Ok(mapping)
}

fn sequence(list: &[Value]) -> Result<Node, EmitError> {
    let mut items: Vec<Node> = Vec::new();
    let mut head = Pending::default();
    let mut pending = Pending::default();
    for value in list {
        if let Value::Comment(comment) = value {
            pending.note(comment);
            continue;
        }
        if items.is_empty() {
            head.head = std::mem::take(&mut pending.head);
        }
        let mut item = node(value)?;
        pending.above(&mut item);
        pending.beside(&mut item);
        items.push(item);
    }
    let rest = pending.rest();
    match items.last_mut() {
        Some(item) => append(&mut item.comments_mut().foot, &rest),
        None => head.head = rest,
    }
    let mut sequence = Node::from_items(items);
    head.above(&mut sequence);
    Ok(sequence)
}

fn node(value: &Value) -> Result<Node, EmitError> {
    match value {
        Value::Branch(branch) => mapping(branch),
        Value::List(list) => sequence(list),
        Value::Comment(comment) => mapping(&[
            Item::new("value", Value::Text(comment.text.clone())),
            Item::new("inline", Value::Bool(comment.inline)),
        ]),
        leaf_value => Ok(leaf(leaf_value)),
    }
}

/// A scalar in the style that it gets when it is printed alone and read again, which is what sops does.
fn leaf(value: &Value) -> Node {
    match value {
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => text_leaf(text),
            Err(_) => binary_leaf(text),
        },
        Value::Bool(value) => Node::bool(*value),
        Value::Int(value) => Node::int(*value),
        Value::Uint(value) => Node::tagged_scalar(Tag::Int, value.to_string()),
        Value::Float(value) => {
            let text = float_text(*value);
            let is_int = numbers::parse_int(&text).is_some();
            Node::tagged_scalar(if is_int { Tag::Int } else { Tag::Float }, text)
        }
        Value::Time(time) => Node::tagged_scalar(Tag::Timestamp, time.exact()),
        _ => Node::null(),
    }
}

fn float_text(value: f64) -> String {
    match numbers::plain(value).as_str() {
        "NaN" => ".nan".to_owned(),
        "+Inf" => ".inf".to_owned(),
        "-Inf" => "-.inf".to_owned(),
        _ => go_std::float::format_g(value),
    }
}

/// A text that cannot be read again is lost: upstream drops the error and prints `null`.
fn text_leaf(text: &str) -> Node {
    let read = || {
        let printed = v3::marshal(text, &EmitOptions::wide()).ok()?;
        v3::parse_first(printed.as_bytes(), &go_yaml::Limits::default()).ok()?
    };
    read().filter(Node::is_scalar).unwrap_or_else(Node::null)
}

/// The places of texts that are lost when they are printed.
pub(crate) fn lost(documents: &[Branch]) -> Vec<String> {
    let mut places = Vec::new();
    for document in documents {
        lost_below("", document, &mut places);
    }
    places
}

fn lost_below(path: &str, branch: &[Item], places: &mut Vec<String>) {
    for item in branch {
        let Key::Text(key) = &item.key else { continue };
        let name = String::from_utf8_lossy(key);
        let at = if path.is_empty() {
            name.into_owned()
        } else {
            format!("{path}.{name}")
        };
        lost_in(&at, &item.value, places);
    }
}

fn lost_in(path: &str, value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Branch(branch) => lost_below(path, branch, places),
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                lost_in(&format!("{path}[{at}]"), item, places);
            }
        }
        // No other text is, and most have none of it.
        Value::Text(text)
            if text.starts_with(b"\t")
                && text.contains(&b'\n')
                && std::str::from_utf8(text).is_ok_and(|text| text_leaf(text).is_null()) =>
        {
            places.push(path.to_owned());
        }
        _ => {}
    }
}

fn binary_leaf(bytes: &[u8]) -> Node {
    let encoded = STANDARD.encode(bytes);
    let lines: Vec<_> = encoded
        .as_bytes()
        .chunks(70)
        .map(String::from_utf8_lossy)
        .collect();
    let node = Node::tagged_scalar(Tag::Binary, lines.join("\n"));
    if lines.len() > 1 {
        node.styled(Style::LITERAL)
    } else {
        node
    }
}

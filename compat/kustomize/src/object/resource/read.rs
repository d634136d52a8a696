//! Objects from the bytes of a file.

use std::borrow::Cow;

use std::rc::Rc;

use go_yaml::{Node, gojson, v3};

use super::anchors::expand_anchors;
use super::{Metadata, Resource};
use crate::budget::Budget;
use crate::openapi::Scopes;
use crate::{Error, ErrorKind};

/// Reads objects within the limits of a build.
pub(crate) struct Reader {
    /// For everything else that is YAML.
    pub(crate) yaml: go_yaml::Limits,
    /// What the objects know about the scopes of kinds.
    pub(crate) scopes: Scopes,
    pub(super) budget: Rc<Budget>,
}

impl Reader {
    /// A reader with all its allowances.
    pub(crate) fn new(budget: Rc<Budget>) -> Self {
        Self {
            yaml: budget.limits().yaml(),
            scopes: Scopes::default(),
            budget,
        }
    }

    /// The objects of a text of YAML documents, in order; those of a `...List` come after all others.
    pub(crate) fn resources(&self, input: &[u8]) -> Result<Vec<Resource>, Error> {
        let nodes = self.inline_lists(valid_objects(self.nodes(input)?)?)?;
        Ok(nodes
            .into_iter()
            .map(|node| Resource::new(node, &self.scopes))
            .collect())
    }

    /// The documents of a text, null ones left out; a single `List` document stands for its items.
    fn nodes(&self, input: &[u8]) -> Result<Vec<Node>, Error> {
        let text = unix_line_ends(input);
        let documents = split_documents(&text)?;
        let single = documents.len() == 1;
        let mut nodes = Vec::with_capacity(documents.len());
        for document in documents {
            let node = v3::parse_first(document, &self.budget.yaml()).map_err(|e| {
                let kind = if e.kind() == go_yaml::ErrorKind::Limit {
                    ErrorKind::Limit
                } else {
                    ErrorKind::MalformedYaml
                };
                Error::new(kind, format!("MalformedYAMLError: {e}"))
            })?;
            let Some(mut node) = node.filter(|n| !n.is_null()) else {
                continue;
            };
            self.budget.read(&node)?;
            expand_anchors(&mut node, &self.budget)?;
            if single && is_list_wrapper(&node) {
                nodes.extend(node.remove("items").map(Node::into_items).unwrap_or_default());
            } else {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    /// Replaces each object of a kind that ends in `List` and has `items` by those items, after everything else.
    fn inline_lists(&self, nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
        let mut queue = std::collections::VecDeque::from(nodes);
        let mut objects = Vec::with_capacity(queue.len());
        while let Some(node) = queue.pop_front() {
            let kind = node.get("kind").map_or("", Node::text);
            let items = if kind.ends_with("List") {
                node.get("items")
            } else {
                None
            };
            match items {
                None => objects.push(node),
                Some(items) if items.is_null() => {}
                Some(items) if items.is_sequence() => {
                    for item in items.items() {
                        self.budget.as_json(item)?;
                        let json = v3::to_json(item).and_then(|value| gojson::to_string(&value));
                        let json = json.map_err(|e| Error::invalid(e.to_string()))?;
                        self.budget.make(json.len())?;
                        queue.extend(valid_objects(self.nodes(json.as_bytes())?)?);
                    }
                }
                Some(items) => {
                    let go_type = if items.is_mapping() {
                        "map[string]interface {}"
                    } else {
                        scalar_type(items)
                    };
                    return Err(Error::invalid(format!(
                        "expected array in {kind}/items, but found {go_type}"
                    )));
                }
            }
        }
        Ok(objects)
    }
}

fn is_list_wrapper(node: &Node) -> bool {
    matches!(node.get("kind").map(Node::text), Some("List" | "ResourceList"))
        && (node.has("items") || node.has("functionConfig"))
}

fn unix_line_ends(input: &[u8]) -> Cow<'_, [u8]> {
    if !input.contains(&b'\r') {
        return Cow::Borrowed(input);
    }
    let mut out = Vec::with_capacity(input.len());
    for (i, byte) in input.iter().enumerate() {
        if !(*byte == b'\r' && input.get(i + 1) == Some(&b'\n')) {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

/// Cuts at lines that start with `---`, the first line excepted; only a comment may follow on such a line.
fn split_documents(text: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let mut documents = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(offset) = find(&text[at..], b"\n---") {
        let begin = at + offset;
        let Some(length) = find(&text[begin + 4..], b"\n") else {
            break;
        };
        let end = begin + 4 + length;
        let rest = text[begin + 4..end].trim_ascii();
        if rest.first().is_some_and(|b| *b != b'#') {
            let line = String::from_utf8_lossy(text[begin..end].trim_ascii());
            return Err(Error::invalid(format!("invalid document separator: {line}")));
        }
        // The document keeps the line break before the separator.
        documents.push(&text[start..=begin]);
        start = end + 1;
        at = start;
    }
    if !text.is_empty() {
        documents.push(&text[start..]);
    }
    Ok(documents)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

fn valid_objects(nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
    let objects: Vec<_> = nodes.into_iter().filter(|n| !n.is_empty()).collect();
    for node in &objects {
        Metadata::validated(node)?;
    }
    Ok(objects)
}

fn scalar_type(node: &Node) -> &'static str {
    match node.core_tag() {
        Some(go_yaml::Tag::Int) => "int",
        Some(go_yaml::Tag::Float) => "float64",
        Some(go_yaml::Tag::Bool) => "bool",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_separators() {
        let split = |text: &'static str| {
            split_documents(text.as_bytes())
                .map(|docs| {
                    docs.into_iter()
                        .map(|d| String::from_utf8_lossy(d).into_owned())
                        .collect::<Vec<_>>()
                })
                .map_err(|e| e.to_string())
        };
        assert_eq!(
            split("a: 1\n---\nb: 2\n"),
            Ok(vec!["a: 1\n".into(), "b: 2\n".into()])
        );
        assert_eq!(
            split("---\na: 1\n--- # two\nb"),
            Ok(vec!["---\na: 1\n".into(), "b".into()])
        );
        assert_eq!(split("a\n---"), Ok(vec!["a\n---".into()]));
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(
            split("a\n--- x\nb"),
            Err("invalid document separator: --- x".into())
        );
    }
}

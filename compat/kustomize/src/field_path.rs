//! The two path languages of replacements: one finds the field that a value comes from, the other those it goes to.
//!
//! Parts are separated by `.`; `\.` is a dot inside a part, `[a.b]` is one part, and `[name=value]` names elements of a
//! list. Where the source language compares exactly, the target language matches a regular expression.

use go_regexp::Regexp;
use go_yaml::{Kind, Node, v3};

use crate::edit::{expect_kind, push_field, wrong_kind};
use crate::error::Context;
use crate::fieldspec::split_path;
use crate::json_patch::atoi;
use crate::target::go_quote;
use crate::{Error, Limits};

/// Splits a path; brackets keep their content together, and stay where they name list elements.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut pieces = split_path(path, '.').into_iter();
    while let Some(piece) = pieces.next() {
        if !piece.starts_with('[') || piece.ends_with(']') {
            parts.push(piece);
            continue;
        }
        let mut joined = piece;
        for piece in pieces.by_ref() {
            joined.push('.');
            joined.push_str(&piece);
            if piece.ends_with(']') {
                break;
            }
        }
        parts.push(if joined.contains('=') {
            joined
        } else {
            joined.trim_matches(['[', ']']).to_owned()
        });
    }
    parts
}

/// The one node at a path, as a source names it: fields, places in lists, `-` for the last element, `[key=value]`.
pub(crate) fn lookup<'n>(node: &'n Node, path: &[impl AsRef<str>]) -> Result<Option<&'n Node>, Error> {
    let mut current = node;
    for part in path
        .iter()
        .map(|part| part.as_ref().trim())
        .filter(|part| !part.is_empty())
    {
        match step(current, part)? {
            Some(next) => current = next,
            None => return Ok(None),
        }
    }
    Ok(Some(current))
}

fn step<'n>(node: &'n Node, part: &str) -> Result<Option<&'n Node>, Error> {
    if let Ok(index) = atoi(part) {
        let index = usize::try_from(index)
            .map_err(|_| Error::invalid(format!("array index {index} cannot be negative")))?;
        expect_kind(node, Kind::Sequence)?;
        return Ok(node.items().get(index));
    }
    match part {
        "-" => {
            expect_kind(node, Kind::Sequence)?;
            let last = node.items().last();
            last.map(Some)
                .ok_or_else(|| Error::invalid("an empty list has no last element"))
        }
        "*" => Err(Error::invalid("wildcard is not supported in PathGetter")),
        _ if is_element(part) => {
            let (key, value) = key_and_value(part)?;
            expect_kind(node, Kind::Sequence)?;
            let is_wanted = |item: &&Node| {
                if key.is_empty() {
                    item.text() == value
                } else {
                    item.get(key).is_some_and(|field| field.text() == value)
                }
            };
            Ok(node.items().iter().find(is_wanted))
        }
        _ => {
            expect_kind(node, Kind::Mapping)?;
            Ok(node.get(part))
        }
    }
}

fn is_element(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn key_and_value(part: &str) -> Result<(&str, &str), Error> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        Error::invalid("list path element must contain fieldName=fieldValue for element to match")
    })
}

/// A path as a target names it, taken apart once for all objects.
#[derive(Debug)]
pub(crate) struct TargetPath {
    pub(crate) parts: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Field(String),
    Index(usize),
    /// Elements that have a matching field, or that match themselves if the field has no name.
    Elements {
        field: String,
        value: String,
        pattern: Result<Matcher, Error>,
    },
    Malformed(Error),
    Every,
}

/// A regular expression that may match anywhere in a text; most are just a part of that text.
#[derive(Debug)]
enum Matcher {
    Contains(String),
    Regexp(Box<Regexp>),
}

impl Matcher {
    fn new(pattern: &str, limits: &Limits) -> Result<Self, Error> {
        if pattern
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b':'))
        {
            return Ok(Self::Contains(pattern.to_owned()));
        }
        let regexp = Regexp::with_limits(pattern.as_bytes(), &limits.regex())
            .map_err(|e| Error::invalid(e.to_string()))?;
        Ok(Self::Regexp(Box::new(regexp)))
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Contains(part) => text.contains(part),
            Self::Regexp(regexp) => regexp.is_match(text),
        }
    }
}

/// What is done to each node that a path matches.
pub(crate) type Visit<'a> = dyn FnMut(&mut Node) -> Result<(), Error> + 'a;

impl TargetPath {
    /// Takes a path apart; what is wrong with it is an error once an object gets that far.
    pub(crate) fn new(path: &str, limits: &Limits) -> Self {
        let parts = split(path);
        let steps = parts.iter().map(|part| Step::new(part, limits)).collect();
        Self { parts, steps }
    }

    /// Visits every node at the part of the path from `start` on, and says how many there are.
    ///
    /// With `create` what is missing is made, ending in a node of that kind.
    pub(crate) fn visit(
        &self,
        start: usize,
        node: &mut Node,
        create: Option<Kind>,
        visit: &mut Visit<'_>,
    ) -> Result<usize, Error> {
        walk(node, self.steps.get(start..).unwrap_or_default(), create, visit)
    }
}

impl Step {
    fn new(part: &str, limits: &Limits) -> Self {
        if let Some(index) = atoi(part).ok().and_then(|index| usize::try_from(index).ok()) {
            Self::Index(index)
        } else if is_element(part) {
            match key_and_value(part) {
                Ok((field, value)) => Self::Elements {
                    field: field.to_owned(),
                    value: value.to_owned(),
                    pattern: Matcher::new(value, limits),
                },
                Err(error) => Self::Malformed(error),
            }
        } else if part == "*" {
            Self::Every
        } else {
            Self::Field(part.to_owned())
        }
    }
}

fn walk(
    node: &mut Node,
    steps: &[Step],
    create: Option<Kind>,
    visit: &mut Visit<'_>,
) -> Result<usize, Error> {
    let Some((step, rest)) = steps.split_first() else {
        visit(node)?;
        return Ok(1);
    };
    match step {
        Step::Field(name) => walk_field(node, name, rest, create, visit),
        Step::Malformed(error) => Err(error.clone()),
        Step::Every => {
            expect_kind(node, Kind::Sequence)?;
            let mut count = 0;
            for item in node.items_mut().into_iter().flatten() {
                count += walk(item, rest, create, visit)?;
            }
            Ok(count)
        }
        Step::Index(index) => {
            expect_kind(node, Kind::Sequence)?;
            let found = node.items().len();
            if let (Some(leaf), Some(items)) = (create, node.items_mut())
                && found == *index
            {
                items.push(made_for(rest, leaf));
            }
            match node.items_mut().and_then(|items| items.get_mut(*index)) {
                Some(item) => walk(item, rest, create, visit),
                None => Err(Error::invalid(format!(
                    "index {index} specified but only {found} elements found"
                ))),
            }
        }
        Step::Elements {
            field,
            value,
            pattern,
        } => {
            expect_kind(node, Kind::Sequence)?;
            let mut count = walk_elements(node, field, pattern, rest, create, visit)?;
            if count == 0 && create.is_some() {
                let element = if field.is_empty() {
                    Node::scalar(value)
                } else {
                    Node::from_entries(vec![(Node::scalar(field), Node::scalar(value))])
                };
                if let Some(items) = node.items_mut() {
                    items.push(element);
                }
                // Upstream searches again, without end if the new element does not match its own text.
                count = walk_elements(node, field, pattern, rest, create, visit)?;
                if count == 0 {
                    return Err(Error::invalid(format!(
                        "the element made for {value:?} does not match it"
                    )));
                }
            }
            Ok(count)
        }
    }
}

fn walk_elements(
    list: &mut Node,
    field: &str,
    pattern: &Result<Matcher, Error>,
    rest: &[Step],
    create: Option<Kind>,
    visit: &mut Visit<'_>,
) -> Result<usize, Error> {
    let mut count = 0;
    for item in list.items_mut().into_iter().flatten() {
        let pattern = pattern.as_ref().map_err(Clone::clone)?;
        let tested = if field.is_empty() {
            Some(&*item)
        } else {
            item.get(field)
        };
        if !tested.is_some_and(|node| pattern.is_match(printed(node).trim())) {
            continue;
        }
        if field.is_empty() {
            // Whatever follows in the path is not looked at.
            visit(item)?;
            count += 1;
        } else {
            count += walk(item, rest, create, visit)?;
        }
    }
    Ok(count)
}

fn printed(node: &Node) -> String {
    v3::to_string(node, &v3::EmitOptions::default()).unwrap_or_default()
}

fn walk_field(
    node: &mut Node,
    name: &str,
    rest: &[Step],
    create: Option<Kind>,
    visit: &mut Visit<'_>,
) -> Result<usize, Error> {
    expect_kind(node, Kind::Mapping)?;
    if let (false, Some(leaf)) = (node.has(name), create) {
        let made = made_for(rest, leaf);
        if node.is_null() {
            // Upstream hangs the new field below a null, where nobody finds it.
            return walk(&mut { made }, rest, create, visit);
        }
        push_field(node, name, made);
    }
    let Some(field) = node.get_mut(name) else {
        return Ok(0);
    };
    if field.is_scalar() && !rest.is_empty() {
        // The text is read as YAML, and what is changed in there is lost.
        let text = v3::parse_first(field.text().as_bytes(), &go_yaml::Limits::default());
        let document = text.map_err(|e| Error::invalid(e.to_string()))?;
        let Some(mut document) = document else {
            return Err(wrong_kind(&Node::null(), Kind::Mapping));
        };
        return walk(&mut document, rest, create, visit);
    }
    walk(field, rest, create, visit)
}

/// What a missing node is made as: a list if the next part of the path is about elements, else a mapping; at the end of
/// the path the given kind.
fn made_for(rest: &[Step], leaf: Kind) -> Node {
    match (rest.first(), leaf) {
        (Some(Step::Elements { .. } | Step::Index(_) | Step::Malformed(_)), _) | (None, Kind::Sequence) => {
            Node::sequence()
        }
        (Some(Step::Field(_) | Step::Every), _) | (None, Kind::Mapping) => Node::mapping(),
        (None, Kind::Scalar | Kind::Alias) => Node::scalar(""),
    }
}

/// Writes into the text of a scalar that is itself YAML or JSON: `true` if that was possible.
///
/// It is tried on the first proper prefix of the path that ends in a scalar; its text is printed again afterwards, JSON
/// as JSON and anything else as YAML.
pub(crate) fn write_structured(
    object: &mut Node,
    path: &TargetPath,
    value: &Node,
    create: Option<Kind>,
) -> bool {
    let Some((length, document)) = structured_prefix(object, &path.parts) else {
        return false;
    };
    let Some(text) = written(document, path, length, value, create) else {
        return false;
    };
    let Some(scalar) = lookup_mut(object, path.parts.get(..length).unwrap_or_default()) else {
        return false;
    };
    scalar.set_text(text);
    true
}

/// The text of a scalar, and the tree that it spells.
struct Document {
    original: String,
    root: Node,
}

fn structured_prefix(object: &Node, parts: &[String]) -> Option<(usize, Document)> {
    let mut current = object;
    for (index, part) in parts.iter().enumerate() {
        let part = part.trim();
        if !part.is_empty() {
            current = step(current, part).ok()??;
        }
        let is_proper = index + 1 < parts.len();
        if current.is_scalar() && is_proper {
            let root = v3::parse_first(current.text().as_bytes(), &go_yaml::Limits::default()).ok()??;
            return Some((
                index + 1,
                Document {
                    original: current.text().to_owned(),
                    root,
                },
            ));
        }
    }
    None
}

fn written(
    document: Document,
    path: &TargetPath,
    start: usize,
    value: &Node,
    create: Option<Kind>,
) -> Option<String> {
    let Document { original, mut root } = document;
    let mut set = |node: &mut Node| {
        if node.is_scalar() {
            node.set_text(value.text());
        } else {
            *node = value.clone();
        }
        Ok(())
    };
    let count = path.visit(start, &mut root, create, &mut set).ok()?;
    if count == 0 {
        return None;
    }
    if original.trim_start().starts_with(['{', '[']) {
        let json = v3::to_json(&root).ok()?;
        let is_pretty = original.contains('\n') && original.contains("  ");
        let text = if is_pretty {
            go_yaml::gojson::to_string_indent(&json, "  ")
        } else {
            go_yaml::gojson::to_string(&json)
        };
        return text.ok();
    }
    let text = v3::to_string(&root, &v3::EmitOptions::default()).ok()?;
    Some(text.trim().to_owned())
}

fn lookup_mut<'n>(node: &'n mut Node, path: &[String]) -> Option<&'n mut Node> {
    let mut current = node;
    for part in path
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
    {
        current = step_mut(current, part)?;
    }
    Some(current)
}

/// Where [`step`] leads, which succeeded before.
fn step_mut<'n>(node: &'n mut Node, part: &str) -> Option<&'n mut Node> {
    if let Ok(index) = atoi(part) {
        return node.items_mut()?.get_mut(usize::try_from(index).ok()?);
    }
    if part == "-" {
        return node.items_mut()?.last_mut();
    }
    if is_element(part) {
        let (key, value) = key_and_value(part).ok()?;
        let is_wanted = |item: &&mut Node| {
            if key.is_empty() {
                item.text() == value
            } else {
                item.get(key).is_some_and(|field| field.text() == value)
            }
        };
        return node.items_mut()?.iter_mut().find(is_wanted);
    }
    node.get_mut(part)
}

/// An error about a target path, worded by whether missing fields could have been made.
pub(crate) fn not_found(path: &str, create: bool) -> Error {
    let or_create = if create { " or create" } else { "" };
    Error::invalid(format!(
        "unable to find{or_create} field {} in replacement target",
        go_quote(path)
    ))
}

/// Visits what a path matches; an error unless that is at least one node.
pub(crate) fn visit_some(
    object: &mut Node,
    text: &str,
    path: &TargetPath,
    create: Option<Kind>,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut failed = None;
    let mut visit_once = |node: &mut Node| match (&failed, visit(node)) {
        (None, Err(error)) => {
            failed = Some(error);
            Ok(())
        }
        _ => Ok(()),
    };
    let count = path
        .visit(0, object, create, &mut visit_once)
        .with_context(|| not_found(text, create.is_some()))?;
    match (failed, count) {
        (Some(error), _) => Err(error),
        (None, 0) => Err(not_found(text, create.is_some())),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_outside_of_brackets() {
        let cases: [(&str, &[&str]); 6] = [
            ("spec.template", &["spec", "template"]),
            (
                r"metadata.annotations.a\.b/c",
                &["metadata", "annotations", "a.b/c"],
            ),
            (
                "metadata.annotations.[a.b/c].d",
                &["metadata", "annotations", "a.b/c", "d"],
            ),
            (
                "containers.[name=a.b].image",
                &["containers", "[name=a.b]", "image"],
            ),
            ("a.[b].c", &["a", "[b]", "c"]),
            (".a", &["a"]),
        ];
        for (path, parts) in cases {
            assert_eq!(split(path), parts, "{path}");
        }
    }

    fn parse(text: &str) -> Node {
        v3::parse_first(text.as_bytes(), &go_yaml::Limits::default())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn sources_are_looked_up_exactly() {
        let node = parse("a: [{name: x, v: 1}, {name: xy, v: 2}]\nb: [p, q]\n");
        for (path, expected) in [
            ("a.[name=xy].v", Some("2")),
            ("a.0.v", Some("1")),
            ("a.-.v", Some("2")),
            ("b.[=q]", Some("q")),
            ("b.5", None),
            ("c.d", None),
        ] {
            let found = lookup(&node, &split(path)).unwrap().map(Node::text);
            assert_eq!(found, expected, "{path}");
        }
        assert!(lookup(&node, &split("a.*")).is_err());
        assert!(lookup(&node, &split("a.-1")).is_err());
    }

    #[track_caller]
    fn check(path: &str, create: bool, before: &str, expected: Result<&str, &str>) {
        let mut node = parse(before);
        let target = TargetPath::new(path, &Limits::default());
        let create = create.then_some(Kind::Scalar);
        let result = visit_some(&mut node, path, &target, create, &mut |node| {
            node.set_text("new");
            Ok(())
        });
        let result = result.map(|()| printed(&node)).map_err(|e| e.to_string());
        assert_eq!(result.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn targets_are_matched_and_made() {
        check(
            "a.[name=x].v",
            false,
            "a: [{name: x, v: p}, {name: xy, v: q}]\n",
            Ok("a: [{name: x, v: new}, {name: xy, v: new}]\n"),
        );
        check(
            "a.*.v",
            false,
            "a: [{v: p}, {v: q}]\n",
            Ok("a: [{v: new}, {v: new}]\n"),
        );
        check("a.1", false, "a: [p, q]\n", Ok("a: [p, new]\n"));
        check("a.2", true, "a:\n- p\n- q\n", Ok("a:\n- p\n- q\n- new\n"));
        check(
            "a.[name=z].v",
            true,
            "b: 1\n",
            Ok("b: 1\na:\n- name: z\n  v: new\n"),
        );
        check(
            "a.b",
            false,
            "a: {}\n",
            Err("unable to find field \"a.b\" in replacement target"),
        );
        check(
            "a.3",
            true,
            "a: [p]\n",
            Err(
                "unable to find or create field \"a.3\" in replacement target: index 3 specified but only 1 elements found",
            ),
        );
    }

    #[test]
    fn text_in_a_scalar_is_changed_in_place() {
        for (before, expected) in [
            (r#"{"b":1,"a":"<"}"#, r#"{"a":"new","b":1}"#),
            ("a: 1 # c\nb: [x]\n", "a: new # c\nb: [x]"),
        ] {
            let mut node = Node::from_entries(vec![(Node::scalar("t"), Node::string(before))]);
            let path = TargetPath::new("t.a", &Limits::default());
            let done = write_structured(&mut node, &path, &Node::string("new"), None);
            // A number that becomes text cannot be printed, and then nothing changes.
            let text = node.get("t").unwrap().text();
            assert_eq!(
                (done, text),
                if before.starts_with('{') {
                    (true, expected)
                } else {
                    (true, text)
                }
            );
        }
    }
}

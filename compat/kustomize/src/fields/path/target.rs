//! Paths that lead to any number of nodes, as targets of replacements have them.

use go_regexp::Regexp;
use go_yaml::{Kind, Node, Size, v3};

use super::{is_element, key_and_value, split};
use crate::Error;
use crate::budget::Budget;
use crate::edit::{expect_kind, push_field, wrong_kind};
use crate::error::Context;
use crate::pattern::{compile, matching_cost};
use go_std::atoi;
use go_std::quote;

/// A path as a target names it, taken apart once for all objects.
#[derive(Debug)]
pub(crate) struct TargetPath {
    pub(crate) parts: Vec<String>,
    steps: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
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
    fn new(pattern: &str, budget: &Budget) -> Result<Self, Error> {
        if pattern
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b':'))
        {
            return Ok(Self::Contains(pattern.to_owned()));
        }
        Ok(Self::Regexp(Box::new(compile(pattern.as_bytes(), budget)?)))
    }

    fn cost(&self, text: &str) -> usize {
        match self {
            Self::Contains(_) => text.len(),
            Self::Regexp(regexp) => matching_cost(regexp, text),
        }
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
    pub(crate) fn new(path: &str, budget: &Budget) -> Self {
        let parts = split(path);
        let steps = parts.iter().map(|part| Segment::new(part, budget)).collect();
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
        budget: &Budget,
        visit: &mut Visit<'_>,
    ) -> Result<usize, Error> {
        let steps = self.steps.get(start..).unwrap_or_default();
        // What is created is as deep as the path is long.
        budget.check_depth(self.steps.len())?;
        walk(node, steps, create, budget, visit)
    }
}

impl Segment {
    fn new(part: &str, budget: &Budget) -> Self {
        if let Some(index) = atoi(part).ok().and_then(|index| usize::try_from(index).ok()) {
            Self::Index(index)
        } else if is_element(part) {
            match key_and_value(part) {
                Ok((field, value)) => Self::Elements {
                    field: field.to_owned(),
                    value: value.to_owned(),
                    pattern: Matcher::new(value, budget),
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
    steps: &[Segment],
    create: Option<Kind>,
    budget: &Budget,
    visit: &mut Visit<'_>,
) -> Result<usize, Error> {
    budget.step(1 + node.entries().len() / 4)?;
    let Some((step, rest)) = steps.split_first() else {
        visit(node)?;
        return Ok(1);
    };
    match step {
        Segment::Field(name) => walk_field(node, name, rest, create, budget, visit),
        Segment::Malformed(error) => Err(error.clone()),
        Segment::Every => {
            expect_kind(node, Kind::Sequence)?;
            let mut count = 0;
            for item in node.items_mut().into_iter().flatten() {
                count += walk(item, rest, create, budget, visit)?;
            }
            Ok(count)
        }
        Segment::Index(index) => {
            expect_kind(node, Kind::Sequence)?;
            let found = node.items().len();
            if let (Some(leaf), Some(items)) = (create, node.items_mut())
                && found == *index
            {
                items.push(made_for(rest, leaf));
            }
            match node.items_mut().and_then(|items| items.get_mut(*index)) {
                Some(item) => walk(item, rest, create, budget, visit),
                None => Err(Error::invalid(format!(
                    "index {index} specified but only {found} elements found"
                ))),
            }
        }
        Segment::Elements {
            field,
            value,
            pattern,
        } => {
            expect_kind(node, Kind::Sequence)?;
            let mut count = walk_elements(node, field, pattern, rest, create, budget, visit)?;
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
                count = walk_elements(node, field, pattern, rest, create, budget, visit)?;
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
    rest: &[Segment],
    create: Option<Kind>,
    budget: &Budget,
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
        budget.step(1 + item.entries().len() / 4)?;
        let Some(tested) = tested else { continue };
        budget.walk(tested)?;
        let text = printed(tested);
        budget.scan(pattern.cost(&text))?;
        if !pattern.is_match(text.trim()) {
            continue;
        }
        if field.is_empty() {
            // Whatever follows in the path is not looked at.
            visit(item)?;
            count += 1;
        } else {
            count += walk(item, rest, create, budget, visit)?;
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
    rest: &[Segment],
    create: Option<Kind>,
    budget: &Budget,
    visit: &mut Visit<'_>,
) -> Result<usize, Error> {
    expect_kind(node, Kind::Mapping)?;
    if let (false, Some(leaf)) = (node.has(name), create) {
        budget.make(2 * Size::NODE + name.len())?;
        let made = made_for(rest, leaf);
        if node.is_null() {
            // Upstream hangs the new field below a null, where nobody finds it.
            return walk(&mut { made }, rest, create, budget, visit);
        }
        push_field(node, name, made);
    }
    let Some(field) = node.get_mut(name) else {
        return Ok(0);
    };
    if field.is_scalar() && !rest.is_empty() {
        // The text is read as YAML, and what is changed in there is lost.
        budget.step(2 * field.text().len())?;
        let text = v3::parse_first(field.text().as_bytes(), &go_yaml::Limits::default());
        let document = text.map_err(|e| Error::invalid(e.to_string()))?;
        let Some(mut document) = document else {
            return Err(wrong_kind(&Node::null(), Kind::Mapping));
        };
        return walk(&mut document, rest, create, budget, visit);
    }
    walk(field, rest, create, budget, visit)
}

/// What a missing node is made as: a list if the next part of the path is about elements, else a mapping; at the end of
/// the path the given kind.
fn made_for(rest: &[Segment], leaf: Kind) -> Node {
    match (rest.first(), leaf) {
        (Some(Segment::Elements { .. } | Segment::Index(_) | Segment::Malformed(_)), _)
        | (None, Kind::Sequence) => Node::sequence(),
        (Some(Segment::Field(_) | Segment::Every), _) | (None, Kind::Mapping) => Node::mapping(),
        (None, Kind::Scalar | Kind::Alias) => Node::scalar(""),
    }
}

/// An error about a target path, worded by whether missing fields could have been made.
pub(crate) fn not_found(path: &str, create: bool) -> Error {
    let or_create = if create { " or create" } else { "" };
    Error::invalid(format!(
        "unable to find{or_create} field {} in replacement target",
        quote(path)
    ))
}

/// Visits what a path matches; an error unless that is at least one node.
pub(crate) fn visit_some(
    object: &mut Node,
    text: &str,
    path: &TargetPath,
    create: Option<Kind>,
    budget: &Budget,
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
        .visit(0, object, create, budget, &mut visit_once)
        .with_context(|| not_found(text, create.is_some()))?;
    match (failed, count) {
        (Some(error), _) => Err(error),
        (None, 0) => Err(not_found(text, create.is_some())),
        (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[track_caller]
    fn check(path: &str, create: bool, before: &str, expected: Result<&str, &str>) {
        let mut node = parse(before);
        let budget = Budget::within(&crate::Limits::default());
        let target = TargetPath::new(path, &budget);
        let create = create.then_some(Kind::Scalar);
        let result = visit_some(&mut node, path, &target, create, &budget, &mut |node| {
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
}

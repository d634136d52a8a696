//! Walks an object along field specs and hands every place that they name to a setter.

use go_yaml::{Kind, Node, Size, Tag};

use crate::budget::Budget;
use crate::edit::wrong_kind;
use crate::error::Context;
use crate::fields::fieldspec::split_path;
use crate::{Error, FieldSpec, Gvk, ResId};

/// Field specs with their paths taken apart, to be applied to many objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldFilter {
    specs: Vec<(FieldSpec, Vec<PathField>)>,
}

/// One field of a path.
#[derive(Debug, Clone)]
struct PathField {
    field: String,
    /// Written `field[]`: the field is a list, and nothing is created from here on.
    is_list: bool,
}

/// What a transformer creates where its field is missing, and makes of a null that it finds there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Leaf {
    /// A scalar; a null found there gets this tag.
    Scalar(Tag),
    /// A mapping.
    Mapping,
}

/// What is done to a field that was found or created.
pub(crate) type Setter<'a> = dyn FnMut(&mut Node) -> Result<(), Error> + 'a;

impl FieldFilter {
    /// A filter for these specs, in their order.
    pub(crate) fn new(specs: impl IntoIterator<Item = FieldSpec>) -> Self {
        let compile = |spec: FieldSpec| {
            let steps = split_path(&spec.path, '/')
                .into_iter()
                .map(|part| match part.strip_suffix("[]") {
                    Some(field) => PathField {
                        field: field.to_owned(),
                        is_list: true,
                    },
                    None => PathField {
                        field: part,
                        is_list: false,
                    },
                });
            let steps = steps.collect();
            (spec, steps)
        };
        Self {
            specs: specs.into_iter().map(compile).collect(),
        }
    }

    /// The places that specs for the type of `object` create, as far as no list is on the way.
    pub(crate) fn created_places(&self, object: &Node) -> Vec<Vec<String>> {
        let gvk = gvk_of(object);
        let created = self
            .specs
            .iter()
            .filter(|(spec, _)| spec.create && spec.selects(&gvk));
        let plain = created.filter(|(_, steps)| steps.iter().all(|step| !step.is_list));
        plain
            .map(|(_, steps)| steps.iter().map(|step| step.field.clone()).collect())
            .collect()
    }

    /// Calls `set` for every place in `object` that the specs for its type name.
    ///
    /// A spec with `create` makes what is missing, ending in `leaf`; without a `leaf` nothing is created.
    pub(crate) fn apply(
        &self,
        object: &mut Node,
        leaf: Option<Leaf>,
        budget: &Budget,
        set: &mut Setter<'_>,
    ) -> Result<(), Error> {
        budget.step(8 + self.specs.len() / 4)?;
        let gvk = gvk_of(object);
        for (spec, steps) in self.specs.iter().filter(|(spec, _)| spec.selects(&gvk)) {
            let leaf = leaf.filter(|_| spec.create);
            walk(object, steps, leaf, budget, set)
                .with_context(|| format!("considering field '{}' of object {}", spec.path, id_of(object)))?;
        }
        Ok(())
    }
}

fn gvk_of(object: &Node) -> Gvk {
    let text = |key| object.get(key).map_or("", Node::text);
    Gvk::from_api_version(text("apiVersion"), text("kind"))
}

fn id_of(object: &Node) -> ResId {
    let text = |key| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(key))
            .filter(|n| !n.is_null())
            .map_or("", Node::text)
    };
    ResId::new(gvk_of(object), text("name"), text("namespace"))
}

fn walk(
    node: &mut Node,
    steps: &[PathField],
    leaf: Option<Leaf>,
    budget: &Budget,
    set: &mut Setter<'_>,
) -> Result<(), Error> {
    // A field is searched among all others.
    budget.step(1 + node.entries().len() / 4)?;
    let Some((step, rest)) = steps.split_first() else {
        return set(node);
    };
    if node.is_null() {
        return Ok(());
    }
    match node.kind() {
        Kind::Sequence => {
            for item in node.items_mut().into_iter().flatten() {
                walk(item, steps, leaf, budget, set)
                    .with_context(|| format!("visit traversal on path: [{}]", path_text(steps)))?;
            }
            Ok(())
        }
        Kind::Mapping => match find(node, step, rest.is_empty(), leaf, budget)? {
            Some(field) => walk(field, rest, leaf, budget, set),
            None => Ok(()),
        },
        Kind::Scalar | Kind::Alias => Err(Error::invalid("expected sequence or mapping node")),
    }
}

fn path_text(steps: &[PathField]) -> String {
    let parts: Vec<_> = steps
        .iter()
        .map(|s| {
            if s.is_list {
                format!("{}[]", s.field)
            } else {
                s.field.clone()
            }
        })
        .collect();
    parts.join(" ")
}

/// The field of a mapping that a step names, created if it has to be, and no longer null if it is to be entered.
fn find<'n>(
    map: &'n mut Node,
    step: &PathField,
    is_last: bool,
    leaf: Option<Leaf>,
    budget: &Budget,
) -> Result<Option<&'n mut Node>, Error> {
    /// Bytes of a field that is created: its mapping comes with room for more.
    const CREATED: usize = 8 * Size::NODE;
    if step.field.is_empty() {
        return Err(Error::invalid("cannot set or create an empty field name"));
    }
    check_field_name(map, &step.field).with_context(|| format!("fieldName: {}", step.field))?;
    let wanted = if step.is_list {
        Some(Wanted::Sequence)
    } else {
        leaf.map(|leaf| {
            if is_last {
                Wanted::Leaf(leaf)
            } else {
                Wanted::Leaf(Leaf::Mapping)
            }
        })
    };
    let field = step.field.trim();
    if !map.has(field)
        && let (Some(Wanted::Leaf(leaf)), Some(entries)) = (wanted, map.entries_mut())
    {
        let value = match leaf {
            Leaf::Scalar(_) => Node::scalar(""),
            Leaf::Mapping => Node::mapping(),
        };
        budget.make(CREATED + field.len())?;
        entries.push((Node::scalar(field), value));
    }
    let Some(value) = map.get_mut(field) else {
        return Ok(None);
    };
    if let (true, Some(wanted)) = (value.is_null(), wanted) {
        replace_null(value, wanted);
    }
    Ok(Some(value))
}

#[derive(Clone, Copy)]
enum Wanted {
    Leaf(Leaf),
    Sequence,
}

fn replace_null(value: &mut Node, wanted: Wanted) {
    let mut replacement = match wanted {
        // The text of the null stays: a prefix on `name: null` writes `p-null`.
        Wanted::Leaf(Leaf::Scalar(tag)) => return value.set_core_tag(tag),
        Wanted::Leaf(Leaf::Mapping) => Node::mapping(),
        Wanted::Sequence => Node::sequence(),
    };
    if !value.comments().is_empty() {
        *replacement.comments_mut() = value.comments().clone();
    }
    *value = replacement;
}

/// Upstream looks fields up with a path syntax in which these names mean list elements.
fn check_field_name(map: &Node, field: &str) -> Result<(), Error> {
    let is_element =
        field == "-" || field.parse::<i64>().is_ok() || (field.starts_with('[') && field.ends_with(']'));
    if field == "*" {
        Err(Error::invalid("wildcard is not supported in PathGetter"))
    } else if is_element {
        Err(wrong_kind(map, Kind::Sequence))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{set_field, set_scalar};

    fn budget() -> Budget {
        Budget::within(&crate::Limits::default())
    }

    fn map(pairs: Vec<(&str, Node)>) -> Node {
        Node::from_entries(pairs.into_iter().map(|(k, v)| (Node::scalar(k), v)).collect())
    }

    /// The tree as JSON with every scalar as its text, so that tests read easily.
    fn show(node: &Node) -> String {
        match node.kind() {
            Kind::Mapping => {
                let fields: Vec<_> = node
                    .entries()
                    .iter()
                    .map(|(k, v)| format!("{}: {}", k.text(), show(v)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            Kind::Sequence => format!(
                "[{}]",
                node.items().iter().map(show).collect::<Vec<_>>().join(", ")
            ),
            Kind::Scalar | Kind::Alias => node.text().to_owned(),
        }
    }

    fn object(fields: Vec<(&str, Node)>) -> Node {
        let mut pairs = vec![
            ("apiVersion", Node::string("apps/v1")),
            ("kind", Node::string("Deployment")),
        ];
        pairs.extend(fields);
        map(pairs)
    }

    fn spec(path: &str, create: bool) -> FieldSpec {
        FieldSpec {
            kind: "Deployment".into(),
            path: path.into(),
            create,
            ..FieldSpec::default()
        }
    }

    #[track_caller]
    fn check(spec: FieldSpec, fields: Vec<(&str, Node)>, expected: &str) {
        let mut object = object(fields);
        FieldFilter::new([spec])
            .apply(
                &mut object,
                Some(Leaf::Scalar(Tag::Str)),
                &budget(),
                &mut |node| set_scalar(node, Node::scalar(format!("p-{}", node.text()))),
            )
            .unwrap();
        assert_eq!(
            show(&object),
            format!("{{apiVersion: apps/v1, kind: Deployment, {expected}}}")
        );
    }

    #[test]
    fn fields_are_found_created_or_left() {
        let name = |n: Node| map(vec![("name", n)]);
        check(
            spec("a/name", false),
            vec![("a", name(Node::string("x")))],
            "a: {name: p-x}",
        );
        check(spec("a/name", false), vec![("a", map(vec![]))], "a: {}");
        check(
            spec("a/name", true),
            vec![("b", map(vec![]))],
            "b: {}, a: {name: p-}",
        );
        check(spec("a/name", true), vec![("a", Node::null())], "a: {name: p-}");
        check(spec("a/name", false), vec![("a", Node::null())], "a: null");
        check(
            spec("a/name", true),
            vec![("a", name(Node::null()))],
            "a: {name: p-null}",
        );
        check(spec("a[]/name", true), vec![("a", Node::null())], "a: []");
        check(spec("a[]/name", true), vec![("b", Node::null())], "b: null");
        let list = Node::from_items(vec![name(Node::string("x")), map(vec![]), Node::null()]);
        check(
            spec("a/name", true),
            vec![("a", list)],
            "a: [{name: p-x}, {name: p-}, null]",
        );
    }

    #[test]
    fn a_mapping_leaf_takes_entries() {
        let mut object = object(vec![]);
        FieldFilter::new([spec("metadata/labels", true)])
            .apply(&mut object, Some(Leaf::Mapping), &budget(), &mut |node| {
                set_field(node, "a", Node::string("b"))
            })
            .unwrap();
        assert_eq!(
            show(&object),
            "{apiVersion: apps/v1, kind: Deployment, metadata: {labels: {a: b}}}"
        );
    }

    #[test]
    fn a_scalar_on_the_way_is_an_error() {
        let mut object = object(vec![("a", Node::from_items(vec![Node::string("x")]))]);
        let error = FieldFilter::new([spec("a/b/c", false)])
            .apply(&mut object, None, &budget(), &mut |_| Ok(()))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "considering field 'a/b/c' of object Deployment.v1.apps/[noName].[noNs]: visit traversal on path: [b c]: \
             expected sequence or mapping node"
        );
    }
}

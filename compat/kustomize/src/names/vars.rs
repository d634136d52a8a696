//! Vars: values of objects that texts of other objects refer to as `$(NAME)`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use go_std::float;
use go_yaml::{Kind, Node, Style, Tag};

use crate::budget::Budget;
use crate::error::Context;
use crate::fields::fieldfilter::FieldFilter;
use crate::fields::path;
use crate::load::kustomization::Var;
use crate::object::resmap::ResMap;
use crate::{Error, FieldSpec, Gvk, ResId};

/// Vars by name, each with the field that it looks at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars {
    by_name: BTreeMap<String, Var>,
}

impl Vars {
    /// Adds the vars that a target declares, and marks the objects that they look at.
    pub(crate) fn declare(
        &mut self,
        vars: &[Var],
        objects: &mut ResMap,
        budget: &Budget,
    ) -> Result<(), Error> {
        Self::mark(vars, objects, budget)
            .and_then(|()| vars.iter().cloned().try_for_each(|var| self.insert(var)))
            .with_context(|| {
                let texts: Vec<_> = vars.iter().map(|var| var.as_go(&var.written_gvk())).collect();
                format!("merging vars [{}]", texts.join(" "))
            })
    }

    fn mark(vars: &[Var], objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for var in vars {
            let wanted = var.object_id();
            let by_namespace = !wanted.namespace.is_empty() || wanted.gvk.is_cluster_scoped();
            let matching = objects.matching_any_id(&wanted.name, budget, |id| {
                if by_namespace {
                    wanted.same_as(id)
                } else {
                    wanted.same_gvkn(id)
                }
            })?;
            match matching[..] {
                [] => {}
                [index] => {
                    if let Some(object) = objects.resources.get_mut(index) {
                        object.var_names.push(var.name.clone());
                    }
                }
                ref several => {
                    let count = several.len();
                    return Err(Error::invalid(format!(
                        "found {count} resId matches for var {var} (unable to disambiguate)"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Adds the vars of a base.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), Error> {
        other.by_name.into_values().try_for_each(|var| self.insert(var))
    }

    fn insert(&mut self, mut var: Var) -> Result<(), Error> {
        if self.by_name.contains_key(&var.name) {
            return Err(Error::invalid(format!("var '{}' already encountered", var.name)));
        }
        if var.fieldref.field_path.is_empty() {
            "metadata.name".clone_into(&mut var.fieldref.field_path);
        }
        self.by_name.insert(var.name.clone(), var);
        Ok(())
    }

    /// Replaces references in the fields that `specs` name by the values of the vars; adds the names of the vars that no
    /// text refers to, up to the first error, to `unused`.
    pub(crate) fn resolve(
        &self,
        objects: &mut ResMap,
        specs: &[FieldSpec],
        unused: &mut Vec<String>,
        budget: &Budget,
    ) -> Result<(), Error> {
        if self.by_name.is_empty() {
            return Ok(());
        }
        let mut values = BTreeMap::new();
        for (name, var) in &self.by_name {
            // The object is searched among all others.
            budget.step(1 + objects.resources.len() / 4)?;
            values.insert(name.as_str(), value_of(var, objects)?);
        }
        let filter = FieldFilter::new(specs.iter().cloned());
        let mut expander = Expander {
            values,
            used: BTreeSet::new(),
            budget,
        };
        let mut present = objects.resources.iter_mut().filter(|object| !object.is_empty());
        let result = present.try_for_each(|object| {
            filter
                .apply(&mut object.node, None, budget, &mut |node| {
                    expander.expand_node(node)
                })
                .limit_at(|| format!("object {}", object.id()))
        });
        let names = expander.values.keys();
        unused.extend(
            names
                .filter(|name| !expander.used.contains(*name))
                .map(|name| (*name).to_owned()),
        );
        result
    }
}

impl Var {
    fn gvk(&self) -> Gvk {
        let target = &self.objref;
        match target.api_version.split('/').collect::<Vec<_>>()[..] {
            [""] => self.written_gvk(),
            [version] => Gvk::new(&target.group, version, &target.kind),
            [group, version] => Gvk::new(group, version, &target.kind),
            _ => self.written_gvk(),
        }
    }

    /// The type without what `apiVersion` says.
    fn written_gvk(&self) -> Gvk {
        let target = &self.objref;
        Gvk::new(&target.group, &target.version, &target.kind)
    }

    /// As Go prints the struct.
    fn as_go(&self, gvk: &Gvk) -> String {
        format!("{{{} {gvk} {{{}}}}}", self.name, self.fieldref.field_path)
    }

    fn object_id(&self) -> ResId {
        ResId::new(self.gvk(), &self.objref.name, &self.objref.namespace)
    }
}

/// As Go prints the struct.
impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_go(&self.gvk()))
    }
}

/// The value of a var, as Go would hold it.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Int(String),
    Float(f64),
    Bool(bool),
    /// A mapping or a list, which no text can take.
    Other,
}

fn value_of(var: &Var, objects: &ResMap) -> Result<Value, Error> {
    let object = objects
        .resources
        .iter()
        .find(|object| object.var_names.contains(&var.name));
    let Some(object) = object else {
        return Err(Error::invalid(format!(
            "var '{var}' cannot be mapped to a field in the set of known resources"
        )));
    };
    let not_found = || {
        Error::invalid(format!(
            "field specified in var '{var}' not found in corresponding resource"
        ))
    };
    let path: Vec<String> = path::split(&var.fieldref.field_path)
        .into_iter()
        .flat_map(split_index)
        .collect();
    let node = path::lookup(&object.node, &path)
        .ok()
        .flatten()
        .ok_or_else(not_found)?;
    let text = node.text();
    Ok(match (node.kind(), node.core_tag()) {
        (Kind::Mapping | Kind::Sequence, _) => Value::Other,
        (_, Some(Tag::Int)) => go_std::atoi(text)
            .map(|number| Value::Int(number.to_string()))
            .map_err(|_| not_found())?,
        (_, Some(Tag::Float)) => text.parse().map(Value::Float).map_err(|_| not_found())?,
        (_, Some(Tag::Bool)) => go_std::parse_bool(text).map(Value::Bool).ok_or_else(not_found)?,
        _ => Value::Text(text.to_owned()),
    })
}

/// `list[0]` names a list and a place in it.
fn split_index(part: String) -> Vec<String> {
    let inner = part.strip_suffix(']').and_then(|part| part.rsplit_once('['));
    match inner {
        Some((name, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
            let name = (!name.is_empty()).then(|| name.to_owned());
            name.into_iter().chain([index.to_owned()]).collect()
        }
        _ => vec![part],
    }
}

struct Expander<'v, 'b> {
    budget: &'b Budget,
    values: BTreeMap<&'v str, Value>,
    used: BTreeSet<&'v str>,
}

impl Expander<'_, '_> {
    fn expand_node(&mut self, node: &mut Node) -> Result<(), Error> {
        if node.is_null() {
            return Ok(());
        }
        match node.kind() {
            Kind::Mapping => {
                for (key, value) in node.entries_mut().into_iter().flatten() {
                    if !is_string(key) {
                        let (text, tag) = (key.text(), key.tag());
                        return Err(Error::invalid(format!(
                            "invalid map key: value='{text}', tag='{tag}'"
                        )));
                    }
                    self.expand_scalar(value)?;
                }
            }
            Kind::Sequence => {
                for item in node.items_mut().into_iter().flatten() {
                    if !is_string(item) {
                        return Err(Error::invalid("invalid value type expect a string"));
                    }
                    self.expand_scalar(item)?;
                }
            }
            Kind::Scalar | Kind::Alias => self.expand_scalar(node)?,
        }
        Ok(())
    }

    /// A text that is exactly one reference takes the type of the value as well.
    fn expand_scalar(&mut self, node: &mut Node) -> Result<(), Error> {
        if !is_string(node) {
            return Ok(());
        }
        let value = self.expand(node.text())?;
        let tag = match value {
            Value::Int(_) => Tag::Int,
            Value::Float(_) => Tag::Float,
            Value::Bool(_) => Tag::Bool,
            Value::Text(_) | Value::Other => Tag::Str,
        };
        node.set_text(value.to_text(format_plainly));
        node.set_core_tag(tag);
        node.set_style(Style::DEFAULT);
        Ok(())
    }

    fn expand(&mut self, text: &str) -> Result<Value, Error> {
        self.budget.scan(text.len())?;
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        // Whether it is worth while to look for the end of a name.
        let mut ends = true;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let mut chars = after.chars();
            rest = match chars.next() {
                // `$$` is a dollar sign.
                Some('$') => {
                    out.push('$');
                    chars.as_str()
                }
                Some('(') => {
                    let reference = if ends {
                        chars.as_str().split_once(')')
                    } else {
                        None
                    };
                    ends = reference.is_some();
                    if let Some((name, after)) = reference {
                        let value = self.value(name)?;
                        if text.len() == name.len() + 3 {
                            return Ok(value.unwrap_or_else(|| Value::Text(text.to_owned())));
                        }
                        match value {
                            Some(value) => out.push_str(&value.to_text(float::format_g)),
                            None => out.extend(["$(", name, ")"]),
                        }
                        after
                    } else {
                        out.push_str("$(");
                        chars.as_str()
                    }
                }
                _ => {
                    out.push('$');
                    after
                }
            };
        }
        out.push_str(rest);
        Ok(Value::Text(out))
    }

    fn value(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let Some((name, value)) = self.values.get_key_value(name) else {
            return Ok(None);
        };
        if let Value::Text(text) | Value::Int(text) = value {
            self.budget.make(text.len())?;
        }
        if matches!(value, Value::Other) {
            return Ok(None);
        }
        self.used.insert(name);
        Ok(Some(value.clone()))
    }
}

impl Value {
    fn to_text(&self, format: impl Fn(f64) -> String) -> String {
        match self {
            Self::Text(text) | Self::Int(text) => text.clone(),
            Self::Float(value) => format(*value),
            Self::Bool(value) => value.to_string(),
            Self::Other => String::new(),
        }
    }
}

/// The shortest decimal text without an exponent.
fn format_plainly(value: f64) -> String {
    value.to_string()
}

fn is_string(node: &Node) -> bool {
    node.is_scalar() && (node.tag().is_empty() || node.core_tag() == Some(Tag::Str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded() {
        let values = [
            ("A", Value::Text("a".into())),
            ("N", Value::Int("5".into())),
            ("M", Value::Other),
        ];
        let mut expander = Expander {
            values: values.into_iter().collect(),
            used: BTreeSet::new(),
            budget: &Budget::within(&crate::Limits::default()),
        };
        for (text, expected) in [
            ("$(A)", "a"),
            ("x-$(A)-$(N)", "x-a-5"),
            ("$$(A)", "$(A)"),
            ("$(B)", "$(B)"),
            ("$(M)!", "$(M)!"),
            ("$(A", "$(A"),
            ("a$", "a$"),
            ("$x$(N)", "$x5"),
        ] {
            let value = expander.expand(text).unwrap();
            assert_eq!(value.to_text(float::format_g), expected, "{text}");
        }
        assert!(matches!(expander.expand("$(N)"), Ok(Value::Int(_))));
    }

    #[test]
    fn indices_are_parts_of_their_own() {
        assert_eq!(split_index("a[0]".into()), ["a", "0"]);
        assert_eq!(split_index("[0]".into()), ["0"]);
        assert_eq!(split_index("[a=b]".into()), ["[a=b]"]);
    }
}

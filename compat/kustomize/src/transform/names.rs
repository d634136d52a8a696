//! Name prefixes and suffixes.

use go_yaml::{Node, Tag};

use super::Transformer;
use crate::budget::Budget;
use crate::edit::set_scalar;
use crate::fields::fieldfilter::{FieldFilter, Leaf};
use crate::object::resmap::ResMap;
use crate::{Error, FieldSpec, Gvk};

/// What is put before or after a name.
#[derive(Debug, Clone)]
pub(crate) enum Affix {
    Prefix(String),
    Suffix(String),
}

/// Adds a prefix or a suffix to the fields that the specs name, for most kinds.
pub(crate) struct NameTransformer {
    affix: Affix,
    fields: Vec<(FieldSpec, FieldFilter)>,
}

impl NameTransformer {
    /// A transformer for these fields.
    pub(crate) fn new(affix: Affix, fields: impl IntoIterator<Item = FieldSpec>) -> Self {
        let fields = fields
            .into_iter()
            .map(|spec| (spec.clone(), FieldFilter::new([spec])))
            .collect();
        Self { affix, fields }
    }
}

impl Affix {
    fn text(&self) -> &str {
        match self {
            Self::Prefix(text) | Self::Suffix(text) => text,
        }
    }

    fn apply(&self, name: &str) -> String {
        match self {
            Self::Prefix(prefix) => format!("{prefix}{name}"),
            Self::Suffix(suffix) => format!("{name}{suffix}"),
        }
    }
}

/// Kinds whose names mean something outside of the build.
fn keeps_its_name(gvk: &Gvk) -> bool {
    matches!(gvk.kind.as_str(), "CustomResourceDefinition" | "Namespace")
        || (gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io")
}

impl Transformer for NameTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for object in &mut objects.resources {
            budget.step(1 + self.fields.len())?;
            let original = object.original_id().gvk;
            if keeps_its_name(&original) {
                continue;
            }
            for (spec, filter) in &self.fields {
                if !original.is_selected(&spec.gvk()) {
                    continue;
                }
                if spec.path == "metadata/name" && !self.affix.text().is_empty() {
                    budget.make_text(self.affix.text())?;
                    let history = &mut object.history;
                    match &self.affix {
                        Affix::Prefix(text) => history.prefixes.push(text.clone()),
                        Affix::Suffix(text) => history.suffixes.push(text.clone()),
                    }
                    object.store_previous_id(budget)?;
                }
                let leaf = Some(Leaf::Scalar(Tag::Str));
                filter.apply(&mut object.node, leaf, budget, &mut |name| {
                    budget.make(self.affix.text().len())?;
                    budget.scan(name.text().len())?;
                    let value = Node::scalar(self.affix.apply(name.text()));
                    set_scalar(name, value)
                })?;
            }
        }
        Ok(())
    }
}

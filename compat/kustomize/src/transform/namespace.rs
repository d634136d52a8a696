//! Namespaces.

use std::collections::HashMap;

use go_yaml::{Kind, Node, Tag};

use super::Transformer;
use crate::budget::Budget;
use crate::edit::{expect_kind, get_or_create, set_scalar};
use crate::error::Context;
use crate::fields::fieldfilter::{FieldFilter, Leaf};
use crate::object::resmap::{ResMap, identity};
use crate::object::resource::{HELM_GENERATED, Resource};
use crate::{Error, FieldSpec};

/// Which subjects of role bindings get the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those with the name `default`, whatever their kind.
    NamedDefault,
    /// Those of kind ServiceAccount.
    ServiceAccounts,
    None,
}

impl Subjects {
    /// The mode that a word names, empty for the default.
    pub(crate) fn parse(word: &str) -> Result<Self, Error> {
        match word {
            "" | "defaultOnly" => Ok(Self::NamedDefault),
            "allServiceAccounts" => Ok(Self::ServiceAccounts),
            "none" => Ok(Self::None),
            _ => Err(Error::invalid(format!(
                "invalid value {word:?} for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \
                 \"allServiceAccounts\""
            ))),
        }
    }
}

/// Puts every object that is not known to be cluster-scoped into one namespace.
pub(crate) struct NamespaceTransformer {
    namespace: String,
    unset_only: bool,
    subjects: Subjects,
    metadata: FieldFilter,
    /// Fields of core objects: those and only those may have a spec on `metadata/name`.
    core_fields: FieldFilter,
    fields: FieldFilter,
    binding_fields: FieldFilter,
}

impl NamespaceTransformer {
    /// A transformer for these fields besides `metadata/namespace`.
    pub(crate) fn new(namespace: String, fields: &[FieldSpec], unset_only: bool, subjects: Subjects) -> Self {
        let own = FieldSpec {
            path: "metadata/namespace".to_owned(),
            create: true,
            ..FieldSpec::default()
        };
        let fields = || fields.iter().filter(|spec| spec.path != "metadata/namespace");
        let without_names = || fields().filter(|spec| spec.path != "metadata/name");
        let of_subjects = |spec: &&FieldSpec| is_binding(&spec.kind) && spec.path == "subjects/namespace";
        Self {
            namespace,
            unset_only,
            subjects,
            metadata: FieldFilter::new([own]),
            core_fields: FieldFilter::new(fields().cloned()),
            fields: FieldFilter::new(without_names().cloned()),
            binding_fields: FieldFilter::new(without_names().filter(|spec| !of_subjects(spec)).cloned()),
        }
    }

    fn set(&self, node: &mut Node, budget: &Budget) -> Result<(), Error> {
        budget.make_text(&self.namespace)?;
        if self.unset_only && node.is_scalar() && !node.is_null() && !node.text().is_empty() {
            return Ok(());
        }
        set_scalar(node, Node::tagged_scalar(Tag::Str, &self.namespace))
    }

    /// Moves one object.
    pub(super) fn apply(&self, object: &mut Resource, budget: &Budget) -> Result<(), Error> {
        let gvk = object.gvk();
        let node = &mut object.node;
        if !gvk.is_cluster_scoped() {
            // A created field is a scalar without tag here; the setter gives it its own.
            self.metadata
                .apply(node, Some(Leaf::Scalar(Tag::Str)), budget, &mut |n| {
                    self.set(n, budget)
                })?;
        }
        let binding = is_binding(&gvk.kind);
        if binding {
            self.apply_to_subjects(node, budget)?;
        }
        let fields = match (binding, gvk.api_version() == "v1") {
            (true, _) => &self.binding_fields,
            (false, true) => &self.core_fields,
            (false, false) => &self.fields,
        };
        let mut hit_collection = false;
        let result = fields.apply(node, Some(Leaf::Scalar(Tag::Str)), budget, &mut |n| {
            hit_collection = !n.is_scalar();
            self.set(n, budget)
        });
        let prefix = if hit_collection {
            "namespace field specs must target scalar nodes"
        } else {
            "namespace transformation failed"
        };
        result.context(prefix)
    }

    fn apply_to_subjects(&self, node: &mut Node, budget: &Budget) -> Result<(), Error> {
        let (field, wanted) = match self.subjects {
            Subjects::NamedDefault => ("name", "default"),
            Subjects::ServiceAccounts => ("kind", "ServiceAccount"),
            Subjects::None => return Ok(()),
        };
        let Some(subjects) = node.get_mut("subjects").filter(|n| !n.is_null()) else {
            return Ok(());
        };
        let context = "setting namespace on (cluster)role binding subjects";
        expect_kind(subjects, Kind::Sequence).context(context)?;
        budget.step(subjects.items().len())?;
        for subject in subjects.items_mut().into_iter().flatten() {
            expect_kind(subject, Kind::Mapping).context(context)?;
            if subject
                .get(field)
                .is_none_or(|value| value.is_null() || value.text() != wanted)
            {
                continue;
            }
            if let Some(namespace) = get_or_create(subject, "namespace", || Node::scalar(""))? {
                self.set(namespace, budget).context(context)?;
            }
        }
        Ok(())
    }
}

fn is_binding(kind: &str) -> bool {
    matches!(kind, "RoleBinding" | "ClusterRoleBinding")
}

impl Transformer for NamespaceTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let mut with_id: HashMap<_, usize> = HashMap::with_capacity(objects.resources.len());
        for object in &objects.resources {
            *with_id.entry(identity(object)).or_default() += 1;
        }
        for index in 0..objects.resources.len() {
            let Some(object) = objects.resources.get_mut(index) else {
                continue;
            };
            if object.is_empty() || object.annotation(HELM_GENERATED) == Some("true") {
                continue;
            }
            let before = identity(object);
            object.store_previous_id(budget)?;
            self.apply(object, budget)?;
            // Ids are kept to be compared.
            budget.make(self.namespace.len())?;
            let after = identity(object);
            if let Some(count) = with_id.get_mut(&before) {
                *count -= 1;
            }
            let count = with_id.entry(after.clone()).or_default();
            *count += 1;
            if *count != 1 {
                // Upstream prints the objects, which may be Secrets; their ids say as much.
                let conflicting = objects.resources.iter().filter(|r| identity(r) == after);
                let texts: Vec<_> = conflicting.map(|r| r.original_id().to_string()).collect();
                return Err(Error::invalid(format!(
                    "namespace transformation produces ID conflict: [{}]",
                    texts.join(" ")
                )));
            }
        }
        Ok(())
    }
}

//! Replica counts.

use go_yaml::{Node, Tag};

use super::Transformer;
use crate::budget::Budget;
use crate::edit::set_scalar;
use crate::fields::fieldfilter::{FieldFilter, Leaf};
use crate::load::kustomization::Replica;
use crate::object::resmap::ResMap;
use crate::{Error, FieldSpec};

/// Sets the replica count of the workloads that have, or had, a name.
pub(crate) struct ReplicaTransformer {
    replica: Replica,
    fields: Vec<(FieldSpec, FieldFilter)>,
}

impl ReplicaTransformer {
    /// A transformer for these fields.
    pub(crate) fn new(replica: Replica, fields: impl IntoIterator<Item = FieldSpec>) -> Self {
        let fields = fields
            .into_iter()
            .map(|spec| (spec.clone(), FieldFilter::new([spec])))
            .collect();
        Self { replica, fields }
    }
}

impl Transformer for ReplicaTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        let mut found = false;
        for (spec, filter) in &self.fields {
            let of_spec = spec.gvk();
            for index in
                objects.matching_any_id(&self.replica.name, budget, |id| id.gvk.is_selected(&of_spec))?
            {
                found = true;
                let Some(object) = objects.resources.get_mut(index) else {
                    continue;
                };
                let leaf = Some(Leaf::Scalar(Tag::Int));
                filter.apply(&mut object.node, leaf, budget, &mut |count| {
                    budget.make(0)?;
                    set_scalar(count, Node::int(self.replica.count))
                })?;
            }
        }
        if found {
            return Ok(());
        }
        let types: Vec<_> = self
            .fields
            .iter()
            .map(|(spec, _)| spec.gvk().to_string())
            .collect();
        Err(Error::invalid(format!(
            "resource with name {} does not match a config with the following GVK [{}]",
            self.replica.name,
            types.join(" ")
        )))
    }
}

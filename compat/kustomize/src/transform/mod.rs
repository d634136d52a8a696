//! The transformers that change fields of objects by field spec.

mod images;
mod labels;
mod names;
mod namespace;
mod patches;
mod replacements;
mod replicas;
mod value_add;

pub(crate) use images::ImageTransformer;
pub(crate) use labels::MapTransformer;
pub(crate) use names::{Affix, NameTransformer};
pub(crate) use namespace::{NamespaceTransformer, Subjects};
pub(crate) use patches::{Json6902Transformer, PatchTransformer, StrategicMergeTransformer};
pub(crate) use replacements::ReplacementTransformer;
pub(crate) use replicas::ReplicaTransformer;
pub(crate) use value_add::{ValueAddTransformer, ValueTarget};

use crate::Error;
use crate::budget::Budget;
use crate::object::resmap::ResMap;

/// One configured step over all objects of a target.
pub(crate) trait Transformer {
    /// Changes the objects in place, as far as the budget reaches; those it empties are dropped afterwards.
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error>;
}

//! Labels and annotations.

use std::collections::BTreeMap;

use go_yaml::{Kind, Node, Tag};

use super::Transformer;
use crate::Error;
use crate::edit::{expect_kind, push_field, quote_for_yaml_1_1};
use crate::fieldfilter::{FieldFilter, Leaf};
use crate::fieldspec::FieldSpec;
use crate::resmap::ResMap;

/// Sets entries of the maps that field specs name.
pub(crate) struct MapTransformer {
    entries: BTreeMap<String, String>,
    fields: FieldFilter,
}

impl MapTransformer {
    /// A transformer that sets all entries in all fields.
    pub(crate) fn new(
        entries: BTreeMap<String, String>,
        fields: impl IntoIterator<Item = FieldSpec>,
    ) -> Self {
        Self {
            entries,
            fields: FieldFilter::new(fields),
        }
    }
}

impl Transformer for MapTransformer {
    fn transform(&self, objects: &mut ResMap) -> Result<(), Error> {
        for object in &mut objects.resources {
            for (key, text) in &self.entries {
                // One value for all fields of the object, as upstream has it: a style that it takes over in one
                // place goes with it to the next.
                let mut value = Node::tagged_scalar(Tag::Str, text);
                self.fields
                    .apply(&mut object.node, Some(Leaf::Mapping), &mut |map| {
                        set_entry(map, key, &mut value)
                    })?;
            }
        }
        Ok(())
    }
}

fn set_entry(map: &mut Node, key: &str, value: &mut Node) -> Result<(), Error> {
    quote_for_yaml_1_1(value);
    expect_kind(map, Kind::Mapping)?;
    match map.get_mut(key) {
        Some(existing) => {
            value.set_style(existing.style());
            *existing = value.clone();
        }
        None => push_field(map, key, value.clone()),
    }
    Ok(())
}

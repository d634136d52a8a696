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
        if self.entries.is_empty() {
            return Ok(());
        }
        for object in objects.resources.iter_mut().filter(|object| !object.is_empty()) {
            let places = self.fields.created_places(&object.node);
            for (key, text) in &self.entries {
                // One value for all fields of the object, as upstream has it: a style that it takes over in one
                // place goes with it to the next.
                let mut value = Node::tagged_scalar(Tag::Str, text);
                let missing = missing(&object.node, &places, key);
                self.fields
                    .apply(&mut object.node, Some(Leaf::Mapping), &mut |map| {
                        set_entry(map, key, &mut value)
                    })?;
                object.share(missing);
            }
        }
        Ok(())
    }
}

/// The places where a key has to be created.
fn missing(object: &Node, places: &[Vec<String>], key: &str) -> Vec<Vec<String>> {
    let is_missing = |place: &&Vec<String>| {
        let map = place.iter().try_fold(object, |node, field| node.get(field));
        map.is_none_or(|map| !map.has(key))
    };
    let with_key = |place: &Vec<String>| place.iter().cloned().chain([key.to_owned()]).collect();
    places.iter().filter(is_missing).map(with_key).collect()
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

//! Labels and annotations.

use std::collections::BTreeMap;

use go_yaml::{Kind, Node, Size, Style, Tag};

use super::Transformer;
use crate::Error;
use crate::budget::Budget;
use crate::edit::{expect_kind, is_yaml_1_1_non_string, push_field};
use crate::error::Context;
use crate::fields::fieldfilter::{FieldFilter, Leaf};
use crate::fields::fieldspec::FieldSpec;
use crate::object::resmap::ResMap;

/// Sets entries of the maps that field specs name.
pub(crate) struct MapTransformer {
    entries: Vec<Entry>,
    fields: FieldFilter,
}

struct Entry {
    key: String,
    text: String,
    /// Whether YAML 1.1 would read the text, without quotes, as something else than a string.
    needs_quotes: bool,
}

impl MapTransformer {
    /// A transformer that sets all entries in all fields.
    pub(crate) fn new(
        entries: BTreeMap<String, String>,
        fields: impl IntoIterator<Item = FieldSpec>,
    ) -> Self {
        Self {
            entries: entries.into_iter().map(Entry::new).collect(),
            fields: FieldFilter::new(fields),
        }
    }
}

impl Entry {
    fn new((key, text): (String, String)) -> Self {
        Self {
            needs_quotes: is_yaml_1_1_non_string(&text),
            key,
            text,
        }
    }

    fn set(&self, map: &mut Node, value: &mut Node) -> Result<(), Error> {
        if self.needs_quotes && value.style() == Style::DEFAULT {
            value.set_style(Style::DOUBLE_QUOTED);
        }
        expect_kind(map, Kind::Mapping)?;
        match map.get_mut(&self.key) {
            Some(existing) => {
                value.set_style(existing.style());
                *existing = value.clone();
            }
            None => push_field(map, &self.key, value.clone()),
        }
        Ok(())
    }
}

impl Transformer for MapTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        for object in objects.resources.iter_mut().filter(|object| !object.is_empty()) {
            let places = self.fields.created_places(&object.node);
            for entry in &self.entries {
                // One value for all fields of the object, as upstream has it: a style that it takes over in one
                // place goes with it to the next.
                let mut value = Node::tagged_scalar(Tag::Str, &entry.text);
                let missing = missing(&object.node, &places, &entry.key, budget)?;
                self.fields
                    .apply(&mut object.node, Some(Leaf::Mapping), budget, &mut |map| {
                        budget.make(Size::of_text(&entry.key) + Size::of_text(&entry.text))?;
                        budget.step(map.entries().len() / 4)?;
                        entry.set(map, &mut value)
                    })
                    .limit_at(|| format!("entry {} for object {}", entry.key, object.id()))?;
                object.share(missing);
            }
        }
        Ok(())
    }
}

/// The places where a key has to be created.
fn missing(
    object: &Node,
    places: &[Vec<String>],
    key: &str,
    budget: &Budget,
) -> Result<Vec<Vec<String>>, Error> {
    let mut missing = Vec::new();
    for place in places {
        let map = place.iter().try_fold(object, |node, field| node.get(field));
        budget.step(1 + map.map_or(0, |map| map.entries().len() / 4))?;
        if map.is_none_or(|map| !map.has(key)) {
            budget.make(place.iter().map(|field| Size::of_text(field)).sum::<usize>() + key.len())?;
            missing.push(place.iter().cloned().chain([key.to_owned()]).collect());
        }
    }
    Ok(missing)
}

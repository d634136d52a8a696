//! The ValueAddTransformer: a value put into fields, or into the paths that fields hold.

use go_yaml::{Kind, Node, Size};

use super::{NamespaceTransformer, Subjects, Transformer};
use crate::Error;
use crate::budget::Budget;
use crate::edit::{expect_kind, set_scalar};
use crate::fields::fieldspec::split_path;
use crate::fields::path::lookup_or_create;
use crate::load::kustomization::Selector;
use crate::object::resmap::ResMap;
use crate::record::record;
use crate::select::selection::Selection;

record! {
    /// The objects and the field that get the value.
    ValueTarget = "types.Target" {
        selector: Option<Selector> = "selector",
        field_path: String = "fieldPath",
        /// Where in the path that the field holds the value goes, counted from 1; 0 replaces the field.
        position: i64 = "filePathPosition",
    }
}

/// Adds one value to several targets.
pub(crate) struct ValueAddTransformer {
    value: String,
    targets: Vec<ValueTarget>,
}

impl ValueAddTransformer {
    /// A transformer for these targets; an error if there are none or one is incomplete.
    pub(crate) fn new(value: String, targets: Vec<ValueTarget>) -> Result<Self, Error> {
        if targets.is_empty() {
            return Err(Error::invalid("must specify at least one target"));
        }
        for target in &targets {
            if target.field_path.is_empty() {
                return Err(Error::invalid("fieldPath cannot be empty"));
            }
            if target.position < 0 {
                let text = format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    target.position
                );
                return Err(Error::invalid(text));
            }
        }
        Ok(Self { value, targets })
    }
}

impl Transformer for ValueAddTransformer {
    fn transform(&self, objects: &mut ResMap, budget: &Budget) -> Result<(), Error> {
        for target in &self.targets {
            let selected = match &target.selector {
                Some(selector) => Selection::new(selector, budget)?.select(objects, budget)?,
                None => (0..objects.resources.len()).collect(),
            };
            let path = split_path(&target.field_path, '/');
            let namespace = NamespaceTransformer::new(self.value.clone(), &[], false, Subjects::NamedDefault);
            for index in selected {
                let Some(object) = objects.resources.get_mut(index) else {
                    continue;
                };
                if target.field_path == "metadata/namespace" {
                    namespace.apply(object, budget)?;
                    continue;
                }
                budget.step(path.len())?;
                let Some(field) = lookup_or_create(&mut object.node, &path)? else {
                    // Upstream crashes where it would look at the text of a missing element.
                    continue;
                };
                expect_kind(field, Kind::Scalar)?;
                budget.make(self.value.len() + path.len() * Size::NODE)?;
                budget.scan(field.text().len())?;
                let text = match usize::try_from(target.position) {
                    Ok(position @ 1..) => insert_part(field.text(), position - 1, &self.value),
                    _ => self.value.clone(),
                };
                set_scalar(field, Node::scalar(text))?;
            }
        }
        Ok(())
    }
}

/// The path with one more element at a position, at an end if the position is beyond it.
fn insert_part(path: &str, position: usize, part: &str) -> String {
    if part.is_empty() {
        return path.to_owned();
    }
    let (root, relative) = path.strip_prefix('/').map_or(("", path), |rest| ("/", rest));
    let mut parts: Vec<_> = relative.split('/').filter(|p| !p.is_empty()).collect();
    parts.insert(position.min(parts.len()), part);
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::insert_part;

    #[test]
    fn parts_are_inserted_by_position() {
        for (path, position, expected) in [
            ("", 3, "new"),
            ("/pie", 0, "/new/pie"),
            ("raw", 9, "raw/new"),
            ("a/nice/warm/pie", 3, "a/nice/warm/new/pie"),
            ("/a/nice", 1, "/a/new/nice"),
        ] {
            assert_eq!(insert_part(path, position, "new"), expected);
        }
    }
}

//! The part of an OpenAPI description that merging looks at.

use std::borrow::Cow;
use std::collections::HashMap;

/// A name inside a schema: borrowed from the built-in data, owned for a custom schema.
pub(super) type Name = Cow<'static, str>;

/// Types by name and by `apiVersion` and `kind`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    types: HashMap<Name, Shape>,
    /// By kind, each `apiVersion` that has it with the name of its type.
    kinds: HashMap<Name, Vec<(Name, Name)>>,
}

/// What is known about a value; a value that no schema describes has no shape at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    /// Known, but with nothing below that a merge could use.
    #[default]
    Plain,
    /// The type of this name.
    Ref(Name),
    /// A list.
    List(List),
    /// A mapping with fixed fields, or equal values, or both.
    Map(Map),
}

/// A list; without `merge` it is replaced as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct List {
    pub(super) items: Option<Box<Shape>>,
    pub(super) merge: Option<MergeKeys>,
}

/// The fields that identify an element of a list; none for a set of scalars.
pub(crate) type MergeKeys = Vec<Name>;

/// A mapping: fields sorted by name, and the shape of every other value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Map {
    pub(super) fields: Vec<(Name, Shape)>,
    pub(super) values: Option<Box<Shape>>,
}

/// How many references in a row are followed; a longer chain is taken for a cycle.
const MAX_REFERENCES: usize = 100;

impl Schema {
    /// Adds a type, or replaces it.
    pub(super) fn insert(&mut self, name: Name, shape: Shape) {
        self.types.insert(name, shape);
    }

    /// Says that objects of this `apiVersion` and `kind` have the type `name`; the last word counts.
    pub(super) fn insert_kind(&mut self, api_version: Name, kind: Name, name: Name) {
        let versions = self.kinds.entry(kind).or_default();
        versions.retain(|(known, _)| *known != api_version);
        versions.push((api_version, name));
    }

    /// The shape of objects of a kind.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Shape> {
        let (_, name) = self
            .kinds
            .get(kind)?
            .iter()
            .find(|(known, _)| known == api_version)?;
        self.resolve(self.types.get(name)?)
    }

    /// The shape of a field of a mapping.
    pub(crate) fn field<'s>(&'s self, shape: &'s Shape, name: &str) -> Option<&'s Shape> {
        let Shape::Map(map) = shape else { return None };
        let found = match map.fields.binary_search_by(|(n, _)| n.as_ref().cmp(name)) {
            Ok(i) => map.fields.get(i).map(|(_, shape)| shape),
            Err(_) => map.values.as_deref(),
        };
        self.resolve(found?)
    }

    /// The shape of the elements of a list.
    pub(crate) fn elements<'s>(&'s self, shape: &'s Shape) -> Option<&'s Shape> {
        let Shape::List(list) = shape else { return None };
        self.resolve(list.items.as_deref()?)
    }

    /// The shape of the type of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Shape> {
        self.resolve(self.types.get(name)?)
    }

    /// The shape that a chain of references ends in.
    pub(crate) fn resolve<'s>(&'s self, mut shape: &'s Shape) -> Option<&'s Shape> {
        for _ in 0..MAX_REFERENCES {
            let Shape::Ref(name) = shape else {
                return Some(shape);
            };
            shape = self.types.get(name)?;
        }
        None
    }
}

impl Shape {
    /// The keys that elements of this list are merged by, `None` if the list is replaced as a whole.
    pub(crate) fn merge_keys(&self) -> Option<&[Name]> {
        match self {
            Self::List(list) => list.merge.as_deref(),
            _ => None,
        }
    }
}

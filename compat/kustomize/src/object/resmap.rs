//! The flat, ordered list of objects that every step of a build works on.

use std::collections::HashSet;

use crate::budget::Budget;
use crate::object::resource::{Behavior, Resource};
use crate::{Error, ErrorKind, ResId};

/// Objects in the order in which they were accumulated; no two have the same current id after an append.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResMap {
    pub(crate) resources: Vec<Resource>,
}

impl ResMap {
    /// A list of the given objects; an error if two have the same id.
    pub(crate) fn from_resources(resources: Vec<Resource>) -> Result<Self, Error> {
        let mut map = Self::default();
        map.append_all(resources)?;
        Ok(map)
    }

    /// Adds objects at the end; an error if an id is taken.
    pub(crate) fn append_all(&mut self, resources: Vec<Resource>) -> Result<(), Error> {
        if resources.is_empty() {
            return Ok(());
        }
        let mut taken = self.identities();
        self.append_beside(&mut taken, resources)
    }

    /// The ids that are taken.
    pub(crate) fn identities(&self) -> HashSet<ResId> {
        self.resources.iter().map(identity).collect()
    }

    /// [`append_all`](Self::append_all) for one list after the other: `taken` is this map's [`identities`](Self::identities)
    /// and is kept up to date, so that each object's id is read once.
    pub(crate) fn append_beside(
        &mut self,
        taken: &mut HashSet<ResId>,
        resources: Vec<Resource>,
    ) -> Result<(), Error> {
        for (at, resource) in resources.iter().enumerate() {
            if !taken.insert(identity(resource)) {
                let id = resource.id();
                for refused in resources.iter().take(at) {
                    taken.remove(&identity(refused));
                }
                return Err(already_registered(&id));
            }
        }
        self.resources.extend(resources);
        Ok(())
    }

    /// An error of kind [`ErrorKind::Limit`] if there are more than `limit` objects.
    pub(crate) fn check_size(&self, limit: usize) -> Result<(), Error> {
        if self.resources.len() > limit {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("the build has more than {limit} objects"),
            ));
        }
        Ok(())
    }

    /// Fails if two of the wanted objects have the same id, as it happens when patches change names.
    pub(crate) fn check_distinct(&self, wanted: impl Fn(&Resource) -> bool) -> Result<(), Error> {
        let mut seen = HashSet::with_capacity(self.resources.len());
        for object in self.resources.iter().filter(|object| wanted(object)) {
            let namespace = object.effective_namespace(object.kind(), object.namespace());
            if !seen.insert((object.api_version(), object.kind(), object.name(), namespace)) {
                return Err(already_registered(&object.id()));
            }
        }
        Ok(())
    }

    /// Drops the objects that patches deleted.
    pub(crate) fn drop_empties(&mut self) {
        self.resources.retain(|r| !r.is_empty());
    }

    /// Positions of the objects that have, or had, an id of this name which satisfies the test.
    pub(crate) fn matching_any_id(
        &self,
        name: &str,
        budget: &Budget,
        test: impl Fn(&ResId) -> bool,
    ) -> Result<Vec<usize>, Error> {
        budget.step(1 + 2 * self.resources.len())?;
        let is_wanted = |id: &ResId| id.name == name && test(id);
        let matching = self
            .resources
            .iter()
            .enumerate()
            // Names are looked at first: ids of all objects, for each of many patches, would take minutes.
            .filter(|(_, r)| r.any_name(|n| n == name) && !r.is_empty() && r.any_id(is_wanted));
        Ok(matching.map(|(i, _)| i).collect())
    }

    /// The one object that has, or had, the id.
    pub(crate) fn unique_by_any_id(&self, id: &ResId, budget: &Budget) -> Result<usize, Error> {
        let failed = |what: &str| {
            Error::invalid(format!(
                "{what} matches for Id {id}; failed to find unique target for patch {id}"
            ))
        };
        match self.matching_any_id(&id.name, budget, |other| other.same_as(id))?[..] {
            [index] => Ok(index),
            [] => Err(failed("no")),
            _ => Err(failed("multiple")),
        }
    }

    /// The ids that objects have or had.
    pub(crate) fn all_identities(&self) -> HashSet<ResId> {
        let resources = self.resources.iter().filter(|r| !r.is_empty());
        resources.flat_map(all_identities).collect()
    }

    /// Takes in a generated object: new, or merged with or replacing the one that has its id. `known` is this map's
    /// [`all_identities`](Self::all_identities) and is kept up to date, so that not every object is asked for each one.
    pub(crate) fn absorb(
        &mut self,
        known: &mut HashSet<ResId>,
        mut generated: Resource,
        budget: &Budget,
    ) -> Result<(), Error> {
        let id = generated.id();
        let behavior = generated.history.behavior.unwrap_or(Behavior::Unspecified);
        if !known.contains(&identity(&generated)) {
            if matches!(behavior, Behavior::Merge | Behavior::Replace) {
                let id = go_syntax(&id);
                return Err(Error::invalid(format!(
                    "id {id} does not exist; cannot merge or replace"
                )));
            }
            known.extend(all_identities(&generated));
            self.resources.push(generated);
            return Ok(());
        }
        let [index] = self.matching_any_id(&id.name, budget, |other| other.same_as(&id))?[..] else {
            let id = go_syntax(&id);
            return Err(Error::invalid(format!(
                "found multiple objects that could accept merge of {id}"
            )));
        };
        let Some(old) = self.resources.get_mut(index) else {
            return Ok(());
        };
        match behavior {
            Behavior::Replace => {
                budget.walk(&old.node)?;
                generated.take_identity_of(old)?;
            }
            Behavior::Merge => {
                budget.make(old.node.size().bytes)?;
                generated.merge_from(old)?;
            }
            Behavior::Unspecified | Behavior::Create => {
                return Err(Error::invalid(format!(
                    "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
                    go_syntax(&id),
                    behavior.as_str()
                )));
            }
        }
        known.extend(all_identities(&generated));
        *old = generated;
        Ok(())
    }
}

fn already_registered(id: &ResId) -> Error {
    Error::invalid(format!(
        "may not add resource with an already registered id: {id}"
    ))
}

/// The identities that an object has and had.
fn all_identities(resource: &Resource) -> impl Iterator<Item = ResId> {
    std::iter::once(resource.id())
        .chain(resource.previous_ids())
        .map(effective)
}

/// What makes two objects the same: type, name and effective namespace.
pub(crate) fn identity(resource: &Resource) -> ResId {
    effective(resource.id())
}

fn effective(mut id: ResId) -> ResId {
    id.namespace = id.effective_namespace().to_owned();
    id
}

/// As Go prints the id with `%#v`.
fn go_syntax(id: &ResId) -> String {
    format!(
        "resid.ResId{{Gvk:resid.Gvk{{Group:{:?}, Version:{:?}, Kind:{:?}, isClusterScoped:{}}}, Name:{:?}, Namespace:{:?}}}",
        id.gvk.group,
        id.gvk.version,
        id.gvk.kind,
        id.gvk.is_cluster_scoped(),
        id.name,
        id.namespace
    )
}

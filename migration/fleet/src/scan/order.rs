//! In which order objects move: what a surprise would hurt least comes first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{DeployerKind, Handle, Subject};

/// When an object should move. State is read across controllers, so that order is not needed for moving itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Wave {
    /// Nothing waits for it, and it applies no other Flux object.
    #[default]
    Leaves,
    /// Others wait for it.
    Dependencies,
    /// It applies other Flux objects.
    Parents,
    /// It applies Flux itself: never by itself.
    Roots,
}

impl Wave {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Leaves, Self::Dependencies, Self::Parents, Self::Roots];

    /// Returns its number, from one.
    pub const fn number(self) -> usize {
        self as usize + 1
    }

    /// Returns what is in it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Leaves => "nothing waits for them",
            Self::Dependencies => "others wait for them",
            Self::Parents => "they apply other Flux objects",
            Self::Roots => "they apply Flux itself",
        }
    }
}

/// Says for each object when it should move.
pub(super) fn waves(
    subjects: &[Subject],
    dependants: &BTreeMap<&Handle, Vec<Handle>>,
) -> BTreeMap<Handle, Wave> {
    let parents: BTreeSet<&Handle> = subjects
        .iter()
        .filter_map(|subject| {
            subject
                .parent
                .as_ref()
                .filter(|parent| **parent != subject.handle)
        })
        .collect();
    let applies_others = |subject: &Subject| {
        parents.contains(&subject.handle)
            || subject.inventory.iter().flatten().any(|entry| {
                entry
                    .object_id()
                    .is_ok_and(|id| DeployerKind::of(&id.group, &id.kind).is_some())
            })
    };
    subjects
        .iter()
        .map(|subject| {
            let wave = if applies_flux(subject) {
                Wave::Roots
            } else if applies_others(subject) {
                Wave::Parents
            } else if dependants.contains_key(&subject.handle) {
                Wave::Dependencies
            } else {
                Wave::Leaves
            };
            (subject.handle.clone(), wave)
        })
        .collect()
}

/// Whether it applies the definitions or the controllers of Flux.
pub(super) fn applies_flux(subject: &Subject) -> bool {
    let ids = subject
        .inventory
        .iter()
        .flatten()
        .filter_map(|entry| entry.object_id().ok());
    let mut of_flux = ids.filter(|id| {
        (id.kind == "CustomResourceDefinition" && id.name.ends_with(".toolkit.fluxcd.io"))
            || (id.kind == "Deployment" && DeployerKind::ALL.iter().any(|kind| kind.controller() == id.name))
    });
    of_flux.next().is_some()
}

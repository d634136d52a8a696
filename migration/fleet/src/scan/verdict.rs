//! What is to be said about one object.

use std::collections::BTreeMap;

use flux_api::ObjectKey;
use serde::{Deserialize, Serialize};

use super::order::{Wave, applies_flux, waves};
use crate::doctor::Facts;
use crate::world::SourceState;
use crate::{DeployerKind, Handle, Owner, Owners, State, Subject};

/// Whether an object can move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Class {
    /// It can.
    CanMove,
    /// It could, once something has settled.
    NotNow,
    /// Something has to be done first.
    Blocked,
    /// It cannot.
    Cannot,
    /// It is switched off, and moves only if that is asked for.
    Skipped,
    /// It has moved.
    Moved,
}

impl Class {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::CanMove,
        Self::NotNow,
        Self::Blocked,
        Self::Cannot,
        Self::Skipped,
        Self::Moved,
    ];

    /// Returns the words that are shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanMove => "can move",
            Self::NotNow => "not now",
            Self::Blocked => "blocked",
            Self::Cannot => "cannot move",
            Self::Skipped => "skipped",
            Self::Moved => "moved already",
        }
    }

    /// Returns the word by which it is asked for.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CanMove => "can",
            Self::NotNow => "notnow",
            Self::Blocked => "blocked",
            Self::Cannot => "cannot",
            Self::Skipped => "skipped",
            Self::Moved => "moved",
        }
    }
}

/// A code, and what it means for this object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The code, which `explain` knows.
    pub code: &'static str,
    /// Why.
    pub why: String,
}

fn note(code: &'static str, why: impl Into<String>) -> Note {
    Note {
        code,
        why: why.into(),
    }
}

/// Who brings the object itself, and so has to be told to label it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Manager {
    /// A Kustomization or HelmRelease.
    Flux(Handle),
    /// A tool that is named.
    Tool(String),
    /// Nobody who left a trace.
    Nobody,
}

impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flux(handle) => write!(f, "{handle}"),
            Self::Tool(name) => f.write_str(name),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// What is to be said about one object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The object.
    pub object: Handle,
    /// Whether it can move.
    pub class: Class,
    /// Why it cannot, or what should be known about it.
    pub notes: Vec<Note>,
    /// Who reconciles it.
    #[serde(flatten)]
    pub owner: Owner,
    /// Who brings it.
    pub manager: Manager,
    /// How many objects it has applied.
    pub objects: usize,
    /// The objects that wait for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependants: Vec<Handle>,
    /// When it should move.
    pub wave: Wave,
    /// The value that the label has now, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Judges all Kustomizations and HelmReleases of a cluster.
pub fn verdicts(facts: &Facts) -> Vec<Verdict> {
    let subjects = Subject::all(&facts.world);
    let (owners, label) = (Owners::of(&facts.world), facts.label());
    let mut dependants: BTreeMap<&Handle, Vec<Handle>> = BTreeMap::new();
    for subject in &subjects {
        for target in &subject.depends_on {
            dependants.entry(target).or_default().push(subject.handle.clone());
        }
    }
    let waves = waves(&subjects, &dependants);
    let judge = Judge {
        facts,
        owners,
        label,
        sources: facts
            .world
            .sources
            .iter()
            .map(|source| ((source.kind.as_str(), &source.key), source))
            .collect(),
    };
    subjects
        .iter()
        .map(|subject| {
            let owner = judge.owners.owner(subject);
            let (class, notes) = judge.class(subject, &owner);
            Verdict {
                object: subject.handle.clone(),
                class,
                notes,
                owner,
                manager: manager(subject),
                objects: subject.inventory.as_ref().map(Vec::len).unwrap_or_default(),
                dependants: dependants.get(&subject.handle).cloned().unwrap_or_default(),
                wave: waves.get(&subject.handle).copied().unwrap_or_default(),
                label: subject.labels.get(&judge.label.0).cloned(),
            }
        })
        .collect()
}

struct Judge<'a> {
    facts: &'a Facts,
    owners: Owners,
    label: (String, String),
    sources: BTreeMap<(&'a str, &'a ObjectKey), &'a SourceState>,
}

impl Judge<'_> {
    fn class(&self, subject: &Subject, owner: &Owner) -> (Class, Vec<Note>) {
        let mut remarks = remarks(subject);
        let (key, value) = &self.label;
        if subject.labels.get(key) == Some(value) {
            remarks.extend(self.not_in_git(subject));
            return match owner {
                Owner::Openflux { .. } => (Class::Moved, remarks),
                Owner::Nobody { why } => (Class::Blocked, vec![note("M119", why.as_str())]),
                other => (
                    Class::Blocked,
                    vec![note("M101", format!("labelled, and {other} selects it"))],
                ),
            };
        }
        let causes: [(Class, Option<Note>); 8] = [
            (Class::Cannot, unreadable(subject)),
            (
                Class::Cannot,
                subject.deleting.then(|| note("M118", "it is being deleted")),
            ),
            (Class::Cannot, self.unsupported(subject)),
            (
                Class::Skipped,
                (subject.state == State::Suspended).then(|| note("M103", "it is suspended")),
            ),
            (Class::Cannot, self.without_artifact(subject)),
            (Class::Blocked, self.selected_by_stock(subject)),
            (Class::NotNow, pending(subject)),
            (Class::NotNow, self.unsettled(subject)),
        ];
        let worst = causes
            .iter()
            .find(|(_, cause)| cause.is_some())
            .map(|(class, _)| *class);
        let mut notes: Vec<_> = causes.into_iter().filter_map(|(_, cause)| cause).collect();
        notes.extend(remarks);
        (worst.unwrap_or(Class::CanMove), notes)
    }

    fn unsupported(&self, subject: &Subject) -> Option<Note> {
        let refusals = self.facts.refusals.iter();
        let mut of_subject = refusals.filter(|refusal| refusal.handle == subject.handle);
        let why = of_subject.next()?.why.clone();
        Some(note(if subject.is_remote { "M116" } else { "M102" }, why))
    }

    /// The stock controller that would select the object in spite of the label.
    fn selected_by_stock(&self, subject: &Subject) -> Option<Note> {
        let (key, value) = &self.label;
        let mut labels = subject.labels.clone();
        labels.insert(key.clone(), value.clone());
        match self.owners.owner_with(&subject.handle, &labels) {
            Owner::Openflux { .. } => None,
            Owner::Nobody { why } => Some(note("M119", why)),
            Owner::Stock { deployment, .. }
            | Owner::Contested {
                stock: deployment, ..
            } => Some(note(
                "M101",
                format!("{deployment} would select it in spite of the label"),
            )),
        }
    }

    fn without_artifact(&self, subject: &Subject) -> Option<Note> {
        let (kind, key) = subject.source.as_ref()?;
        let source = self.sources.get(&(kind.as_str(), key))?;
        let Some(wanted) = &source.artifact else {
            return Some(note("M105", format!("{kind} {key} has no artifact")));
        };
        let artifacts = self.facts.world.artifacts.iter();
        let mut owned = artifacts
            .filter_map(|artifact| artifact.0.as_ref().ok())
            .filter(|artifact| {
                let meta = &artifact.metadata;
                let mut owners = meta.owner_references.iter().flatten();
                meta.namespace.as_deref() == Some(key.namespace.as_str())
                    && owners.any(|owner| owner.kind == *kind && owner.name == key.name)
            });
        let Some(artifact) = owned.next() else {
            return Some(note("M105", format!("there is no Artifact of {kind} {key}")));
        };
        (artifact.spec.digest.as_deref() != Some(wanted.digest.as_str()))
            .then(|| note("M105", format!("the Artifact of {kind} {key} is behind it")))
    }

    fn unsettled(&self, subject: &Subject) -> Option<Note> {
        match subject.state {
            State::Failing => return Some(note("M104", format!("it fails: {}", subject.reason))),
            State::Progressing => return Some(note("M104", "its controller is at work on it")),
            State::Suspended | State::Ready => {}
        }
        if subject.handle.kind == DeployerKind::HelmRelease {
            return None;
        }
        let (kind, key) = subject.source.as_ref()?;
        let source = self.sources.get(&(kind.as_str(), key))?;
        let revision = &source.artifact.as_ref()?.revision;
        (*revision != subject.revision).then(|| {
            note(
                "M104",
                format!(
                    "it has applied {}, and its source is at {revision}",
                    subject.revision
                ),
            )
        })
    }

    /// Whether the label is in the cluster alone.
    fn not_in_git(&self, subject: &Subject) -> Option<Note> {
        let labelled = self.facts.labelled.as_ref().ok()?;
        let (_, meta) = labelled.iter().find(|(handle, _)| *handle == subject.handle)?;
        let managers = crate::carrier::label_managers(meta, &self.label.0);
        crate::carrier::is_set_by_hand(&managers).then(|| {
            note(
                "M203",
                format!("its label was set by {}, and not in Git", managers.join(", ")),
            )
        })
    }
}

fn unreadable(subject: &Subject) -> Option<Note> {
    let why = subject.unreadable.as_ref()?;
    Some(note("M102", format!("it cannot be read: {why}")))
}

fn pending(subject: &Subject) -> Option<Note> {
    let is_pending = subject.release.starts_with("pending") || subject.release == "uninstalling";
    is_pending.then(|| note("M112", format!("its release is {}", subject.release)))
}

/// What should be known, and keeps nothing from moving.
fn remarks(subject: &Subject) -> Vec<Note> {
    let mut notes = Vec::new();
    if applies_flux(subject) {
        notes.push(note("M205", "it applies Flux itself"));
    }
    if !subject.checks_health {
        notes.push(note(
            "M206",
            "it has neither wait nor healthChecks, so that Ready proves less",
        ));
    }
    notes
}

/// Labels and annotations by which tools know what they brought.
const TOOLS: [(&str, &str); 5] = [
    ("resourceset.fluxcd.controlplane.io/name", "ResourceSet"),
    ("fluxcd.controlplane.io/name", "FluxInstance"),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("clusterconfig.azure.com/is-managed", "the extension of Azure"),
];

fn manager(subject: &Subject) -> Manager {
    if let Some(parent) = subject.parent.clone().filter(|parent| *parent != subject.handle) {
        return Manager::Flux(parent);
    }
    let marks = subject.labels.iter().chain(&subject.annotations);
    let tool = marks.filter_map(|(key, value)| {
        let (_, tool) = TOOLS.iter().find(|(mark, _)| mark == key)?;
        Some(format!("{tool} {value}"))
    });
    tool.min().map_or(Manager::Nobody, Manager::Tool)
}

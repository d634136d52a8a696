//! A Kustomization or HelmRelease, as far as people ask for it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use flux_api::{
    ConditionsExt, Deployed, DeployedStatus, HELM_GROUP, HELM_NAME, HELM_NAMESPACE, HelmRelease, Inventory,
    InventoryEntry, KUSTOMIZE_GROUP, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, Kustomization, ObjectKey, READY,
    RECONCILING, STALLED, Tolerant,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use serde::{Deserialize, Serialize};

use crate::World;
use crate::text::without_secrets;

/// The two kinds that move between controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeployerKind {
    /// A Kustomization.
    Kustomization,
    /// A HelmRelease.
    HelmRelease,
}

impl DeployerKind {
    /// Both, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Kustomization, Self::HelmRelease];

    /// Returns the short name, as in `ks/apps/podinfo`.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Kustomization => "ks",
            Self::HelmRelease => "hr",
        }
    }

    /// Returns the kind.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Kustomization => "Kustomization",
            Self::HelmRelease => "HelmRelease",
        }
    }

    /// Returns the API group.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Kustomization => KUSTOMIZE_GROUP,
            Self::HelmRelease => HELM_GROUP,
        }
    }

    /// Returns the API version without the group.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Kustomization => "v1",
            Self::HelmRelease => "v2",
        }
    }

    /// Returns the stock controller.
    pub const fn controller(self) -> &'static str {
        match self {
            Self::Kustomization => "kustomize-controller",
            Self::HelmRelease => "helm-controller",
        }
    }

    /// Returns the name by which our controller has flags for it alone.
    pub const fn flag_prefix(self) -> &'static str {
        match self {
            Self::Kustomization => "kustomize",
            Self::HelmRelease => "helm",
        }
    }

    /// Reads a kind in any of the spellings that people use.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "ks" | "kustomization" | "kustomizations" | "kustomizations.kustomize.toolkit.fluxcd.io" => {
                Some(Self::Kustomization)
            }
            "hr" | "helmrelease" | "helmreleases" | "helmreleases.helm.toolkit.fluxcd.io" => {
                Some(Self::HelmRelease)
            }
            _ => None,
        }
    }

    /// Returns the kind with this API group and name.
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.group() == group && known.kind() == kind)
    }
}

/// Kind, namespace and name of a Kustomization or HelmRelease; its text is `ks/apps/podinfo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    /// Kind.
    pub kind: DeployerKind,
    /// Namespace and name.
    pub key: ObjectKey,
}

impl Handle {
    /// Names an object.
    pub fn new(kind: DeployerKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            key: ObjectKey::new(namespace, name),
        }
    }

    /// Reads `ks/NAME`, `Kustomization/NAME` or `ks/NAMESPACE/NAME`; without a namespace it is `namespace`.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, HandleError> {
        let wrong = || HandleError(text.to_owned());
        let (kind, rest) = text.split_once('/').ok_or_else(wrong)?;
        let kind = DeployerKind::parse(kind).ok_or_else(wrong)?;
        let (namespace, name) = rest.split_once('/').unwrap_or((namespace, rest));
        if name.is_empty() || name.contains('/') || namespace.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(kind, namespace, name))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.kind.short(),
            self.key.namespace,
            self.key.name
        )
    }
}

impl Serialize for Handle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl From<&Handle> for flux_proof::Name {
    fn from(handle: &Handle) -> Self {
        let key = &handle.key;
        Self::new(handle.kind.kind(), key.namespace.as_str(), key.name.as_str())
    }
}

impl TryFrom<&flux_proof::Name> for Handle {
    type Error = HandleError;

    fn try_from(name: &flux_proof::Name) -> Result<Self, HandleError> {
        let kind = DeployerKind::parse(&name.kind).ok_or_else(|| HandleError(name.to_string()))?;
        Ok(Self::new(kind, name.namespace.as_str(), name.name.as_str()))
    }
}

impl FromStr for Handle {
    type Err = HandleError;

    /// Reads what is shown, with the namespace.
    fn from_str(text: &str) -> Result<Self, HandleError> {
        Self::parse(text, "")
    }
}

/// A text names no Kustomization or HelmRelease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no object: write ks/NAME, hr/NAME, or with the namespace ks/NAMESPACE/NAME")]
pub struct HandleError(String);

/// How an object is doing, in the order in which people want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It failed.
    Failing,
    /// Its controller is at work on it, or has not begun.
    Progressing,
    /// It is switched off.
    Suspended,
    /// It is what its spec asks for.
    Ready,
}

impl State {
    /// Returns the word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Progressing => "progressing",
            Self::Suspended => "suspended",
            Self::Ready => "ready",
        }
    }
}

/// A Kustomization or HelmRelease.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Kind, namespace and name.
    pub handle: Handle,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How it is doing.
    pub state: State,
    /// Why, in a word of its controller's.
    pub reason: String,
    /// What its controller says about it.
    pub message: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What it has applied last: the revision of the artifact or the version of the chart.
    pub revision: String,
    /// The revision that it tried last.
    pub attempted: String,
    /// The objects that it applied; nothing if its status does not say.
    pub inventory: Option<Vec<InventoryEntry>>,
    /// What must be ready before it.
    pub depends_on: Vec<Handle>,
    /// Kind, namespace and name of its source; nothing if it names none.
    pub source: Option<(String, ObjectKey)>,
    /// The Kustomization or HelmRelease that applied it.
    pub parent: Option<Handle>,
    /// Its path in the source, for a Kustomization.
    pub path: String,
    /// Whether it waits until what it applied is healthy; a HelmRelease always does.
    pub checks_health: bool,
    /// Whether it applies to another cluster.
    pub is_remote: bool,
    /// Helm's status of the newest release, such as `deployed`; empty for a Kustomization.
    pub release: String,
    /// Why it could not be read as its kind; all but its metadata is unknown then.
    pub unreadable: Option<String>,
}

impl Subject {
    /// Reads all Kustomizations and HelmReleases.
    pub fn all(world: &World) -> Vec<Self> {
        let kustomizations = world.kustomizations.iter().map(Self::from);
        kustomizations
            .chain(world.helm_releases.iter().map(Self::from))
            .collect()
    }

    fn bare(kind: DeployerKind, meta: &ObjectMeta) -> Self {
        let labels = meta.labels.clone().unwrap_or_default();
        Self {
            handle: Handle::new(
                kind,
                meta.namespace.clone().unwrap_or_default(),
                meta.name.clone().unwrap_or_default(),
            ),
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            parent: applied_by(&labels),
            labels,
            annotations: meta.annotations.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            state: State::Progressing,
            reason: String::new(),
            message: String::new(),
            since: None,
            revision: String::new(),
            attempted: String::new(),
            inventory: None,
            depends_on: Vec::new(),
            source: None,
            path: String::new(),
            checks_health: true,
            is_remote: false,
            release: String::new(),
            unreadable: None,
        }
    }

    fn unreadable(kind: DeployerKind, meta: &ObjectMeta, why: &str) -> Self {
        let why = without_secrets(why).into_owned();
        Self {
            state: State::Failing,
            reason: "Unreadable".to_owned(),
            message: why.clone(),
            unreadable: Some(why),
            ..Self::bare(kind, meta)
        }
    }

    fn deployed<D: Deployed>(kind: DeployerKind, object: &D) -> Self {
        let meta = object.meta();
        let status = object.status();
        let condition = |type_: &str| status.conditions().get_condition(type_);
        let (ready, stalled) = (condition(READY), condition(STALLED));
        let is = |condition: Option<&Condition>, value: &str| condition.is_some_and(|c| c.status == value);
        let seen = status.observed_generation() == meta.generation.unwrap_or_default();
        let (state, told_by) = if object.is_suspended() {
            (State::Suspended, ready)
        } else if is(stalled, "True") {
            (State::Failing, stalled)
        } else if is(ready, "False") {
            (State::Failing, ready)
        } else if is(ready, "True") && seen && !is(condition(RECONCILING), "True") {
            (State::Ready, ready)
        } else {
            (State::Progressing, condition(RECONCILING).or(ready))
        };
        let bare = Self::bare(kind, meta);
        let namespace = bare.handle.key.namespace.clone();
        let depends_on = object.depends_on().iter().map(|dependency| {
            let own = dependency.namespace.is_empty();
            let namespace = if own { &namespace } else { &dependency.namespace };
            Handle::new(kind, namespace.as_str(), dependency.name.as_str())
        });
        Self {
            state,
            reason: told_by.map(|c| c.reason.clone()).unwrap_or_default(),
            // It gets into journals and on to stderr, too.
            message: told_by
                .map(|c| without_secrets(&c.message).into_owned())
                .unwrap_or_default(),
            since: told_by.map(|c| c.last_transition_time.0),
            depends_on: depends_on.collect(),
            ..bare
        }
    }
}

/// The Kustomization or HelmRelease that applied an object, as its labels say.
pub fn applied_by(labels: &BTreeMap<String, String>) -> Option<Handle> {
    let owner = |kind, name: &str, namespace: &str| {
        let (name, namespace) = (labels.get(name)?, labels.get(namespace)?);
        Some(Handle::new(kind, namespace.as_str(), name.as_str()))
    };
    owner(DeployerKind::Kustomization, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE)
        .or_else(|| owner(DeployerKind::HelmRelease, HELM_NAME, HELM_NAMESPACE))
}

fn entries(inventory: Option<&Inventory>) -> Option<Vec<InventoryEntry>> {
    inventory.map(|inventory| inventory.entries.clone())
}

impl From<&Tolerant<Kustomization>> for Subject {
    fn from(object: &Tolerant<Kustomization>) -> Self {
        let kind = DeployerKind::Kustomization;
        let object = match &object.0 {
            Ok(object) => object,
            Err(odd) => return Self::unreadable(kind, &odd.metadata, &odd.reason),
        };
        let subject = Self::deployed(kind, object);
        let source = &object.spec.source_ref;
        let own = source.namespace.is_empty();
        let namespace = if own {
            &subject.handle.key.namespace
        } else {
            &source.namespace
        };
        Self {
            source: Some((
                source.kind.clone(),
                ObjectKey::new(namespace.as_str(), source.name.as_str()),
            )),
            revision: object.status.last_applied_revision.clone(),
            attempted: object.status.last_attempted_revision.clone(),
            inventory: entries(object.status.inventory.as_ref()),
            path: object.spec.path.clone(),
            checks_health: object.spec.wait || !object.spec.health_checks.is_empty(),
            is_remote: object.spec.kube_config.is_some(),
            ..subject
        }
    }
}

impl From<&Tolerant<HelmRelease>> for Subject {
    fn from(object: &Tolerant<HelmRelease>) -> Self {
        let kind = DeployerKind::HelmRelease;
        let object = match &object.0 {
            Ok(object) => object,
            Err(odd) => return Self::unreadable(kind, &odd.metadata, &odd.reason),
        };
        let subject = Self::deployed(kind, object);
        let own = &subject.handle.key.namespace;
        let source = match (&object.spec.chart_ref, &object.spec.chart) {
            (Some(reference), _) => {
                let namespace = if reference.namespace.is_empty() {
                    own
                } else {
                    &reference.namespace
                };
                Some((
                    reference.kind.clone(),
                    ObjectKey::new(namespace.as_str(), reference.name.as_str()),
                ))
            }
            // The HelmChart that was made for it.
            (None, Some(template)) => Some((
                "HelmChart".to_owned(),
                ObjectKey::new(object.helm_chart_namespace(template), object.helm_chart_name()),
            )),
            (None, None) => None,
        };
        let latest = object.status.history.latest();
        Self {
            source,
            revision: latest
                .map(|latest| latest.chart_version.clone())
                .unwrap_or_default(),
            attempted: object.status.last_attempted_revision.clone(),
            inventory: entries(object.status.inventory.as_ref()),
            is_remote: object.spec.kube_config.is_some(),
            release: latest.map(|latest| latest.status.clone()).unwrap_or_default(),
            ..subject
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(value: serde_json::Value) -> Subject {
        let object: Tolerant<Kustomization> = serde_json::from_value(value).unwrap();
        Subject::from(&object)
    }

    fn with_status(status: &serde_json::Value, suspend: bool) -> State {
        kustomization(json!({
            "metadata": {"name": "app", "namespace": "apps", "generation": 2},
            "spec": {"suspend": suspend, "sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": status,
        }))
        .state
    }

    #[test]
    fn a_state_is_what_the_conditions_say_of_this_generation() {
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": "R", "message": "m",
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let status =
            |generation: i64, conditions| json!({"observedGeneration": generation, "conditions": conditions});
        let ready = || condition("Ready", "True");
        assert_eq!(with_status(&json!({}), false), State::Progressing);
        assert_eq!(with_status(&status(2, json!([ready()])), false), State::Ready);
        assert_eq!(
            with_status(&status(1, json!([ready()])), false),
            State::Progressing
        );
        assert_eq!(with_status(&status(2, json!([ready()])), true), State::Suspended);
        let failed = condition("Ready", "False");
        assert_eq!(with_status(&status(2, json!([failed])), false), State::Failing);
        let busy = json!([condition("Reconciling", "True"), ready()]);
        assert_eq!(with_status(&status(2, busy), false), State::Progressing);
        let stalled = json!([condition("Stalled", "True"), condition("Ready", "Unknown")]);
        assert_eq!(with_status(&status(2, stalled), false), State::Failing);
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        for text in ["ks/apps/podinfo", "hr/apps/redis"] {
            assert_eq!(text.parse::<Handle>().unwrap().to_string(), text);
        }
        let named = Handle::parse("Kustomization/podinfo", "apps").unwrap();
        assert_eq!(named.to_string(), "ks/apps/podinfo");
        for text in ["podinfo", "pod/x", "ks/", "ks/a/b/c", "ks//a"] {
            assert!(Handle::parse(text, "apps").is_err(), "{text}");
        }
        assert!("ks/podinfo".parse::<Handle>().is_err());
    }

    #[test]
    fn an_odd_object_is_one_that_fails() {
        let odd =
            kustomization(json!({"metadata": {"name": "odd", "namespace": "apps"}, "spec": {"path": 7}}));
        assert_eq!(odd.state, State::Failing);
        assert!(odd.unreadable.is_some());
    }

    #[test]
    fn the_chart_of_a_release_is_named_as_flux_names_it() {
        let object: Tolerant<HelmRelease> = serde_json::from_value(json!({
            "metadata": {"name": "redis", "namespace": "apps",
                         "labels": {KUSTOMIZE_NAME: "apps", KUSTOMIZE_NAMESPACE: "flux-system"}},
            "spec": {"chart": {"spec": {"chart": "redis", "sourceRef":
                {"kind": "HelmRepository", "name": "bitnami", "namespace": "charts"}}}},
        }))
        .unwrap();
        let release = Subject::from(&object);
        let (kind, key) = release.source.unwrap();
        assert_eq!(
            (kind.as_str(), key.to_string().as_str()),
            ("HelmChart", "charts/apps-redis")
        );
        assert_eq!(release.parent.unwrap().to_string(), "ks/flux-system/apps");
    }
}

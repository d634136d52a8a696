//! What was read of a cluster at one moment.

use artifact_crd::Artifact;
use flux_api::{ConditionsExt, HelmRelease, Kustomization, NamespacedObjectKindReference, ObjectKey, READY};
use flux_api::{Source, SourceArtifact, Tolerant};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The label of what the bridge made; its value is the kind that the Artifact was made from.
const BRIDGED_FROM: &str = "openfluxcd.ocm.software/bridged-from";

/// The Flux objects and controllers of a cluster.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Version of the API server, such as `v1.36.3`.
    pub kubernetes: String,
    /// Deployments of stock Flux, by its label `app.kubernetes.io/part-of=flux`.
    pub stock: Vec<Deployment>,
    /// Deployments of this project.
    pub ours: Vec<Deployment>,
    /// All Kustomizations that were asked for.
    pub kustomizations: Vec<Tolerant<Kustomization>>,
    /// All HelmReleases that were asked for.
    pub helm_releases: Vec<Tolerant<HelmRelease>>,
    /// All sources that were asked for.
    pub sources: Vec<SourceState>,
    /// All Artifacts that were asked for.
    pub artifacts: Vec<Tolerant<Artifact>>,
    /// What could not be read, with the reason: nothing is known about it.
    pub unread: Vec<String>,
}

/// What a source offers, whatever its kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceState {
    /// Its kind.
    pub kind: String,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Where it comes from: an address, a bucket, or the name of a chart.
    pub origin: String,
    /// What of it is wanted: a branch, a tag, a range; empty if the whole is.
    pub reference: String,
    /// The source that it is made of, if it is made of one.
    pub made_of: Option<NamespacedObjectKindReference>,
    /// Whether it is switched off.
    pub suspended: bool,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// What it produced last.
    pub artifact: Option<SourceArtifact>,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Its generation, and the last one that was reconciled.
    pub generations: (i64, i64),
}

impl SourceState {
    /// Reads what all sources have in common.
    pub fn of<S: Source>(source: &S) -> Self {
        let (meta, status) = (source.meta(), source.status());
        Self {
            kind: S::kind(&()).into_owned(),
            key: ObjectKey::new(
                meta.namespace.clone().unwrap_or_default(),
                meta.name.clone().unwrap_or_default(),
            ),
            uid: meta.uid.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            conditions: status.conditions.clone(),
            artifact: source.artifact().cloned(),
            labels: meta.labels.clone().unwrap_or_default(),
            generations: (meta.generation.unwrap_or_default(), status.observed_generation),
            ..Self::default()
        }
    }

    /// Returns whether the bridge made it of an Artifact.
    pub fn is_bridged(&self) -> bool {
        self.labels.contains_key(BRIDGED_FROM)
    }

    /// Returns what the source says of itself, if it says anything.
    pub fn ready(&self) -> Option<&Condition> {
        self.conditions.get_condition(READY)
    }

    /// Returns whether the source says that it has failed.
    pub fn is_failing(&self) -> bool {
        self.ready().is_some_and(|ready| ready.status == "False")
    }
}

/// Makes a [`SourceState`] of a stock source.
pub trait Describe: Source {
    /// Tells where the source comes from, what of it is wanted, what it is made of, and whether it is switched off.
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool);

    /// Returns all of it.
    fn state(&self) -> SourceState
    where
        Self: Sized,
    {
        let (origin, reference, made_of, suspended) = self.describe();
        SourceState {
            origin,
            reference,
            made_of,
            suspended,
            ..SourceState::of(self)
        }
    }
}

impl Describe for flux_api::GitRepository {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        let wanted = self.spec.reference.clone().unwrap_or_default();
        let reference = first([
            ("commit ", wanted.commit),
            ("", wanted.name),
            ("semver ", wanted.semver),
            ("tag ", wanted.tag),
            ("branch ", wanted.branch),
        ]);
        (without_user(&self.spec.url), reference, None, self.spec.suspend)
    }
}

impl Describe for flux_api::OCIRepository {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        let wanted = self.spec.reference.clone().unwrap_or_default();
        let reference = first([
            ("", wanted.digest),
            ("semver ", wanted.semver),
            ("tag ", wanted.tag),
        ]);
        (without_user(&self.spec.url), reference, None, self.spec.suspend)
    }
}

impl Describe for flux_api::Bucket {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        let origin = format!("{} on {}", self.spec.bucket_name, self.spec.endpoint);
        (origin, self.spec.prefix.clone(), None, self.spec.suspend)
    }
}

impl Describe for flux_api::HelmRepository {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        (
            without_user(&self.spec.url),
            String::new(),
            None,
            self.spec.suspend,
        )
    }
}

impl Describe for flux_api::HelmChart {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        (
            format!("chart {}", self.spec.chart),
            self.spec.version.clone(),
            Some(self.spec.source_ref.clone()),
            self.spec.suspend,
        )
    }
}

impl Describe for flux_api::ExternalArtifact {
    fn describe(&self) -> (String, String, Option<NamespacedObjectKindReference>, bool) {
        let origin = self.status.artifact.as_ref();
        (
            origin
                .map(|artifact| without_user(&artifact.url))
                .unwrap_or_default(),
            String::new(),
            self.spec.source_ref.clone(),
            false,
        )
    }
}

fn first<const N: usize>(ways: [(&str, String); N]) -> String {
    ways.into_iter()
        .find(|(_, value)| !value.is_empty())
        .map(|(word, value)| format!("{word}{value}"))
        .unwrap_or_default()
}

/// An address without what may be credentials: the user, and all of the query.
fn without_user(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_credentials() {
        for (url, expected) in [
            (
                "https://user:secret@git.example.com/a@b?token=secret",
                "https://git.example.com/a@b",
            ),
            ("ssh://git@example.com", "ssh://example.com"),
            ("oci://ghcr.io/org/app", "oci://ghcr.io/org/app"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_user(url), expected);
        }
    }
}

//! What an ExternalArtifact says about an Artifact: pure functions of the two.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, reason};
use controller_kit::artifact::HostAllowList;
use flux_api::{
    ConditionStatus, ConditionsExt, ExternalArtifact, NamespacedObjectKindReference, READY, SourceArtifact,
    SourceStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;

use crate::name::is_ours;

/// Gives what an Artifact is made from, and what the ExternalArtifact is to name: its controlling owner, or itself where it is
/// one of several that a transformation makes.
///
/// `None` where stock deployers have no use for a bridge: the Artifact mirrors a source that they read themselves.
pub(super) fn origin(artifact: &Artifact) -> Option<NamespacedObjectKindReference> {
    let meta = &artifact.metadata;
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let reference = |api_version: &str, kind: &str, name: &str| NamespacedObjectKindReference {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        ..NamespacedObjectKindReference::default()
    };
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        _ if is_ours(artifact) => None,
        Some(owner) if owner.api_version.split('/').next() == Some(flux_api::SOURCE_GROUP) => None,
        Some(owner) if !is_transformation(owner) => {
            Some(reference(&owner.api_version, &owner.kind, &owner.name))
        }
        Some(_) | None => {
            let api_version = format!("{}/{}", artifact_crd::GROUP, artifact_crd::VERSION);
            let name = meta.name.as_deref().unwrap_or_default();
            Some(reference(&api_version, artifact_crd::KIND, name))
        }
    }
}

fn is_transformation(owner: &OwnerReference) -> bool {
    owner.kind == artifact_crd::TRANSFORMATION_KIND
        && owner.api_version.split('/').next() == Some(artifact_crd::GROUP)
}

/// The labels that an ExternalArtifact has of its Artifact, by which others select.
pub(super) fn labels(artifact: &Artifact) -> BTreeMap<String, String> {
    let mut labels = artifact.metadata.labels.clone().unwrap_or_default();
    // It is not written by who writes the Artifact.
    labels.remove("app.kubernetes.io/managed-by");
    labels
}

/// The owner reference by which the ExternalArtifact goes away with its Artifact.
pub(super) fn owner(artifact: &Artifact) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", artifact_crd::GROUP, artifact_crd::VERSION),
        kind: artifact_crd::KIND.to_owned(),
        name: artifact.metadata.name.clone().unwrap_or_default(),
        uid: artifact.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Whether an ExternalArtifact was made from an Artifact.
pub(super) fn belongs(external: &ExternalArtifact, artifact: &Artifact) -> bool {
    let owners = external.metadata.owner_references.iter().flatten();
    let uid = artifact.metadata.uid.as_deref();
    owners
        .filter(|owner| owner.controller == Some(true))
        .any(|owner| Some(owner.uid.as_str()) == uid)
}

/// Gives the status that an ExternalArtifact is to have, or `None` when the one that is there says it all.
///
/// What cannot be offered leaves the last good artifact in place, and `Ready` says why.
pub(super) fn status(
    external: &ExternalArtifact,
    artifact: &Artifact,
    hosts: &HostAllowList,
    now: Timestamp,
) -> Option<SourceStatus> {
    let mut status = external.status.clone();
    let meta = &artifact.metadata;
    let (is, reason, message) = match offer(artifact, hosts) {
        Ok(offered) => {
            // A new time alone is not worth a write.
            let same = |old: &SourceArtifact| {
                let last_update_time = offered.last_update_time.clone();
                *old == offered
                    || SourceArtifact {
                        last_update_time,
                        ..old.clone()
                    } == offered
            };
            if !status.artifact.as_ref().is_some_and(same) {
                status.artifact = Some(offered);
            }
            let name = meta.name.as_deref().unwrap_or_default();
            (
                ConditionStatus::True,
                flux_api::reason::SUCCEEDED,
                format!("offers Artifact '{name}'"),
            )
        }
        Err((reason, message)) => (ConditionStatus::False, reason, message),
    };
    let generation = external.metadata.generation;
    status
        .conditions
        .set_condition(READY, is, reason, message, generation, now);
    (status != external.status).then_some(status)
}

/// Gives an Artifact the form of stock's, where digest and path are mandatory.
fn offer(artifact: &Artifact, hosts: &HostAllowList) -> Result<SourceArtifact, (&'static str, String)> {
    let spec = &artifact.spec;
    let name = artifact.metadata.name.as_deref().unwrap_or_default();
    let digest = spec.digest.clone().filter(|digest| !digest.is_empty()).ok_or_else(|| {
        let message = format!("spec.digest of Artifact '{name}' is empty, and stock deployers need one; its producer has to set it");
        (reason::INVALID_ARTIFACT, message)
    })?;
    let url = hosts.check(&spec.url).map_err(|error| {
        (
            reason::URL_NOT_ALLOWED,
            format!("spec.url of Artifact '{name}': {error}"),
        )
    })?;
    let path = url.path().trim_start_matches('/');
    if path.is_empty() {
        let message = format!("spec.url of Artifact '{name}' has no path, and stock deployers need one");
        return Err((reason::INVALID_ARTIFACT, message));
    }
    Ok(SourceArtifact {
        revision: revision(&spec.revision, &digest),
        digest,
        path: path.to_owned(),
        url: spec.url.clone(),
        last_update_time: spec.last_update_time.clone(),
        size: spec.size,
        metadata: spec.metadata.clone().unwrap_or_default(),
    })
}

/// A revision as Flux writes it, `<name>@<algorithm>:<hash>`: stock compares the hash where there is one.
fn revision(revision: &str, digest: &str) -> String {
    let hash = revision.rsplit('@').next().unwrap_or_default();
    let hashed = hash.split_once(':').is_some_and(|(algorithm, hex)| {
        let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        !algorithm.is_empty()
            && algorithm.chars().all(simple)
            && hex.len() >= 7
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    });
    if hashed {
        revision.to_owned()
    } else {
        format!("{revision}@{digest}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn artifact(owner: Option<&str>, spec: &Value) -> Artifact {
        let owners: Vec<Value> = owner
            .map(|api_version| json!({"apiVersion": api_version, "kind": "Http", "name": "web", "uid": "u", "controller": true}))
            .into_iter()
            .collect();
        let mut object = json!({
            "metadata": {"name": "made", "namespace": "apps", "uid": "a", "ownerReferences": owners},
            "spec": {"url": "http://files.apps.svc.cluster.local/web/1.tar.gz", "revision": "v1",
                "digest": "sha256:abcdef0", "lastUpdateTime": "2026-01-01T00:00:00Z"},
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn written(external: &ExternalArtifact, artifact: &Artifact) -> Option<SourceStatus> {
        status(
            external,
            artifact,
            &HostAllowList::in_cluster(),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn custom_sources_and_lone_artifacts_are_bridged_and_stock_ones_are_not() {
        let kind = |owner: Option<&str>| origin(&artifact(owner, &json!({}))).map(|origin| origin.kind);
        assert_eq!(kind(Some("example.org/v1")).as_deref(), Some("Http"));
        assert_eq!(kind(None).as_deref(), Some("Artifact"));
        assert_eq!(kind(Some("source.toolkit.fluxcd.io/v1")), None);
    }

    #[test]
    fn an_offer_is_written_once_and_a_new_time_is_no_change() {
        let mut external = ExternalArtifact::default();
        let made = artifact(None, &json!({}));
        let status = written(&external, &made).expect("something to write");
        let offered = status.artifact.clone().expect("an artifact");
        assert_eq!(offered.path, "web/1.tar.gz");
        assert_eq!(offered.revision, "v1@sha256:abcdef0");
        external.status = status;
        assert_eq!(written(&external, &made), None);
        let later = artifact(None, &json!({"lastUpdateTime": "2027-01-01T00:00:00Z"}));
        assert_eq!(written(&external, &later), None);
    }

    #[test]
    fn what_stock_could_not_use_keeps_the_last_good_artifact() {
        let mut external = ExternalArtifact::default();
        external.status = written(&external, &artifact(None, &json!({}))).unwrap();
        for (spec, reason) in [
            (json!({"digest": null}), "InvalidArtifact"),
            (json!({"url": "http://files.apps.svc/"}), "InvalidArtifact"),
            (json!({"url": "http://169.254.169.254/latest"}), "URLNotAllowed"),
        ] {
            let status = written(&external, &artifact(None, &spec)).unwrap();
            assert_eq!(status.artifact, external.status.artifact, "{spec}");
            let ready = status
                .conditions
                .get_condition(READY)
                .map(|ready| (ready.status.as_str(), ready.reason.as_str()));
            assert_eq!(ready, Some(("False", reason)), "{spec}");
        }
    }

    #[test]
    fn revisions_end_in_a_hash() {
        for (given, expected) in [
            ("main@sha1:0123456", "main@sha1:0123456"),
            ("sha256:0123456789", "sha256:0123456789"),
            ("1.2.3", "1.2.3@sha256:aa"),
            ("release:candidate", "release:candidate@sha256:aa"),
        ] {
            assert_eq!(revision(given, "sha256:aa"), expected);
        }
    }
}

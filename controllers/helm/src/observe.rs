//! Looks at release records, for the state machine.

use controller_kit::object::metadata_map;
use flux_api::{
    HELM_NAME, HELM_NAMESPACE, HelmRelease, HelmReleaseStatus, ReleaseAction, ReleaseSnapshot,
    SNAPSHOT_API_VERSION,
};
use helm::digest::{Algorithm, Digest};
use helm::release::Release;

use crate::cluster::documents;
use crate::machine::{Previous, Record as _, Stored, Verification};
use crate::storage::{Storage, StorageError};

/// Why nobody knows what is stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    /// The records cannot be read.
    #[error("failed to retrieve last release from storage: {0}")]
    Storage(#[from] StorageError),
    /// The record cannot be digested.
    #[error("{0}")]
    Digest(#[from] serde_json::Error),
}

/// Reads the newest record of a release, and compares it with the newest snapshot, if there is one.
///
/// # Errors
/// It is not known what is stored.
pub(crate) async fn last(
    storage: &Storage,
    name: &str,
    snapshot: Option<&ReleaseSnapshot>,
) -> Result<Option<(Stored, Release)>, ObserveError> {
    let last = storage.last(name).await?;
    last.map(|release| known(release, snapshot)).transpose()
}

/// Says what the newest record is, which was read or written, beside the newest snapshot, if there is one.
///
/// # Errors
/// The record cannot be digested.
pub(crate) fn known(
    release: Release,
    snapshot: Option<&ReleaseSnapshot>,
) -> Result<(Stored, Release), ObserveError> {
    let metadata = release.chart.as_ref().map(helm::release::Chart::metadata);
    let stored = Stored {
        status: release.info.status.to_string(),
        chart_name: metadata.map(|metadata| metadata.name.clone()).unwrap_or_default(),
        chart_version: metadata
            .map(|metadata| metadata.version.clone())
            .unwrap_or_default(),
        verification: snapshot.map_or(Ok(Verification::Same), |snapshot| verify(&release, snapshot))?,
    };
    Ok((stored, release))
}

/// Takes note of a release that the status does not tell of: whoever made it did not get as far as to say so.
pub(crate) fn remember(status: &mut HelmReleaseStatus, release: &Release, algorithm: Algorithm) {
    let snapshot = release.snapshot(algorithm, &status.last_attempted_revision_digest);
    status.history.clear();
    status.history.add(snapshot.made_by(ReleaseAction::Install));
}

/// Tells whether a record was made for an object: its objects say so, or it is pending and has none.
pub(crate) fn is_made_for(release: &Release, object: &HelmRelease) -> bool {
    let (name, namespace) = (
        object.metadata.name.as_deref(),
        object.metadata.namespace.as_deref(),
    );
    let hooks = release.hooks.iter().map(|hook| hook.manifest.as_str());
    let manifest = release.manifest.read();
    let texts = std::iter::once(&*manifest).chain(hooks);
    let objects: Vec<_> = texts.flat_map(documents).flatten().collect();
    if objects.is_empty() {
        return release.info.status.is_pending();
    }
    objects.iter().any(|document| {
        metadata_map(&document.object, "labels").is_some_and(|labels| {
            let label = |key: &str| labels.get(key).and_then(serde_json::Value::as_str);
            label(HELM_NAME) == name && label(HELM_NAMESPACE) == namespace
        })
    })
}

/// Looks whether the record of a snapshot is still there, and what it was.
pub(crate) async fn previous(storage: &Storage, snapshot: &ReleaseSnapshot) -> Previous {
    match storage.get(&snapshot.name, snapshot.version).await {
        Err(error) => Previous::Unknown(error.to_string()),
        Ok(None) => Previous::Disappeared,
        Ok(Some(release)) => match verify(&release, snapshot) {
            Ok(Verification::Same) => Previous::Verified,
            Ok(verification) => Previous::Changed(verification),
            Err(error) => Previous::Unknown(error.to_string()),
        },
    }
}

/// Compares a record with the snapshot that was taken of it; snapshots of old versions cannot be compared.
pub(crate) fn verify(release: &Release, snapshot: &ReleaseSnapshot) -> serde_json::Result<Verification> {
    if snapshot.api_version != SNAPSHOT_API_VERSION {
        return Ok(Verification::Same);
    }
    let Ok(digest) = snapshot.digest.parse::<Digest>() else {
        return Ok(Verification::Unreadable);
    };
    let found = release.digest(digest.algorithm(), &snapshot.oci_digest)?;
    Ok(if found == digest {
        Verification::Same
    } else {
        Verification::Different
    })
}

#[cfg(test)]
mod tests {
    use helm::release::Status;

    use super::*;

    #[test]
    fn a_record_is_compared_by_the_digest_of_its_snapshot() {
        let release = Release {
            name: "web".into(),
            version: 2,
            ..Release::default()
        };
        let digest = |algorithm, oci: &str| release.digest(algorithm, oci).unwrap().to_string();
        let oci = "sha256:abc";
        for (api_version, digest, oci_digest, expected) in [
            ("v2", digest(Algorithm::Sha256, ""), "", Verification::Same),
            ("v2", digest(Algorithm::Sha512, ""), "", Verification::Same),
            ("v2", digest(Algorithm::Blake3, oci), oci, Verification::Same),
            ("v2", digest(Algorithm::Sha256, oci), "", Verification::Different),
            ("v2", "sha256:short".into(), "", Verification::Unreadable),
            ("v2", String::new(), "", Verification::Unreadable),
            ("", String::new(), "", Verification::Same),
            ("v1", digest(Algorithm::Sha256, oci), "", Verification::Same),
        ] {
            let snapshot = ReleaseSnapshot {
                api_version: api_version.into(),
                digest,
                oci_digest: oci_digest.into(),
                ..ReleaseSnapshot::default()
            };
            assert_eq!(verify(&release, &snapshot).unwrap(), expected, "{snapshot:?}");
        }
    }

    #[test]
    fn a_record_tells_by_its_objects_for_whom_it_was_made() {
        let object: HelmRelease = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "web", "namespace": "apps"},
            "spec": {"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "web"}},
        }))
        .unwrap();
        let labelled = |name: &str, namespace: &str| {
            format!(
                "---\nkind: A\n---\nkind: B\nmetadata: {{labels: {{{HELM_NAME}: {name}, {HELM_NAMESPACE}: {namespace}}}}}\n"
            )
        };
        for (manifest, hook, status, expected) in [
            (
                labelled("web", "apps"),
                String::new(),
                Status::PendingInstall,
                true,
            ),
            (labelled("web", "apps"), String::new(), Status::Failed, true),
            (
                labelled("web", "other"),
                String::new(),
                Status::PendingInstall,
                false,
            ),
            (
                labelled("other", "apps"),
                String::new(),
                Status::PendingInstall,
                false,
            ),
            (String::new(), labelled("web", "apps"), Status::Failed, true),
            ("kind: A".to_owned(), String::new(), Status::PendingInstall, false),
            (String::new(), String::new(), Status::PendingInstall, true),
            (String::new(), String::new(), Status::Deployed, false),
        ] {
            let mut release = Release {
                manifest: manifest.into(),
                ..Release::default()
            };
            release.info.status = status;
            if !hook.is_empty() {
                release.hooks.push(helm::release::Hook {
                    manifest: hook,
                    ..Default::default()
                });
            }
            assert_eq!(is_made_for(&release, &object), expected, "{release:?}");
        }
    }
}

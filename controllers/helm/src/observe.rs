//! Looks at release records, for the state machine.

use flux_api::{ReleaseSnapshot, SNAPSHOT_API_VERSION};
use helm::digest::Digest;
use helm::release::Release;

use crate::machine::{Previous, Stored, Verification};
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
    let Some(release) = storage.last(name).await? else {
        return Ok(None);
    };
    let metadata = release.chart.as_ref().map(helm::release::Chart::metadata);
    let stored = Stored {
        status: release.info.status.to_string(),
        chart_name: metadata.map(|metadata| metadata.name.clone()).unwrap_or_default(),
        chart_version: metadata
            .map(|metadata| metadata.version.clone())
            .unwrap_or_default(),
        verification: snapshot.map_or(Ok(Verification::Same), |snapshot| verify(&release, snapshot))?,
    };
    Ok(Some((stored, release)))
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
fn verify(release: &Release, snapshot: &ReleaseSnapshot) -> serde_json::Result<Verification> {
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
    use helm::digest::Algorithm;

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
}

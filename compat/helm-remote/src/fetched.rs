//! A chart that was fetched, and whether it is the one that was meant.

use std::path::Path;

use crate::FetchError;
use crate::provenance::{self, ProvenanceError};
use crate::reference::SCHEME;
use crate::registry::Pulled;

/// What Helm tells about tags that hold an underscore.
const UNDERSCORE: &str = "
OCI artifact references (e.g. tags) do not support the plus sign (+). To support
storing semantic versions, Helm adopts the convention of changing plus (+) to
an underscore (_) in chart version tags when pushing to a registry and back to
a plus (+) when pulling from a registry.";

/// A chart that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The archive.
    pub archive: Vec<u8>,
    /// The name of its file.
    pub name: String,
    /// Where it is from.
    pub url: String,
    /// The file with its signature, or why there is none, if that was asked for.
    pub provenance: Option<Result<Vec<u8>, FetchError>>,
    /// What is worth a warning.
    pub warnings: Vec<String>,
    /// What Helm says about a chart of a registry: how it was found, and the digest of its manifest.
    pub notes: Vec<String>,
    /// The digest of the index is that of another archive. A signature says more about that, so it is looked at first.
    pub(crate) mismatch: Option<FetchError>,
}

/// Why a chart is not taken for the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFetchedError {
    /// There is no signature.
    #[error("failed to fetch provenance {}", go_std::quote(.0))]
    NoProvenance(String),
    /// It is not the signed one.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// The index has the digest of another one.
    #[error(transparent)]
    Digest(FetchError),
}

impl Fetched {
    /// A chart of a registry.
    pub(crate) fn pulled(chart: Pulled, warning: Option<String>) -> Self {
        let Pulled {
            archive,
            name,
            provenance,
            reference,
            digest,
        } = chart;
        let mut notes = vec![format!("Pulled: {reference}"), format!("Digest: {digest}")];
        if reference.contains('_') {
            notes.push(format!("{reference} contains an underscore."));
            notes.push(UNDERSCORE.to_owned());
        }
        if let Some(Ok(_)) = provenance {
            // Helm pulls it by itself, and says so.
            notes.extend_from_within(..);
        }
        Self {
            archive,
            name,
            url: format!("{SCHEME}{reference}"),
            provenance,
            warnings: warning.into_iter().collect(),
            notes,
            mismatch: None,
        }
    }

    /// Verifies that it is the chart that was signed by a key of a ring.
    ///
    /// # Errors
    /// It is not, or there is no signature, or none was asked for.
    pub fn verify(&self, ring: &Path) -> Result<(), VerifyFetchedError> {
        let Some(Ok(provenance)) = &self.provenance else {
            return Err(VerifyFetchedError::NoProvenance(format!("{}.prov", self.url)));
        };
        provenance::verify(&self.archive, &self.name, provenance, ring)?;
        self.check_digest().map_err(VerifyFetchedError::Digest)
    }

    /// Whether it is the archive that the index has the digest of; for those who do not verify a signature.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_digest(&self) -> Result<(), FetchError> {
        self.mismatch.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_signature_nothing_is_verified() {
        let pulled = |reference: &str| Pulled {
            archive: Vec::new(),
            name: "web-1.0.0.tgz".to_owned(),
            provenance: None,
            reference: reference.to_owned(),
            digest: "sha256:ab".to_owned(),
        };
        let fetched = Fetched::pulled(pulled("r.test/web:1.0.0"), None);
        assert_eq!(
            fetched.verify(Path::new("/nowhere")),
            Err(VerifyFetchedError::NoProvenance(
                "oci://r.test/web:1.0.0.prov".to_owned()
            ))
        );
        assert_eq!(fetched.check_digest(), Ok(()));
        assert_eq!(fetched.notes.len(), 2);
        assert_eq!(Fetched::pulled(pulled("r.test/web:1.0.0_a"), None).notes.len(), 4);
    }
}

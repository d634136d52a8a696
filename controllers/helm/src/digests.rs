//! Digests of parts of a spec, which a status remembers.

use flux_api::HelmRelease;
use helm::digest::{Algorithm, Digest};
use serde::Serialize;

/// What a status remembers of a spec besides its generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpecDigests {
    /// Digest of `spec.postRenderers`; empty without any.
    pub(crate) post_renderers: String,
    /// Digest of `spec.commonMetadata`; empty without any.
    pub(crate) common_metadata: String,
}

impl SpecDigests {
    /// Makes the digests of an object.
    ///
    /// # Errors
    /// A part cannot be written as JSON.
    pub(crate) fn of(object: &HelmRelease, algorithm: Algorithm) -> serde_json::Result<Self> {
        Ok(Self {
            post_renderers: digest(object.spec.post_renderers.as_ref(), algorithm)?,
            common_metadata: digest(object.spec.common_metadata.as_ref(), algorithm)?,
        })
    }
}

/// The digest of a part of the spec; empty without it.
fn digest<T: Serialize>(part: Option<&T>, algorithm: Algorithm) -> serde_json::Result<String> {
    let digest = part.map(|part| Digest::of_json(algorithm, part)).transpose()?;
    Ok(digest.map(|digest| digest.to_string()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn digests_of_the_spec_are_those_of_stock() {
        let cases = include_str!("../cases/spec-digests.json");
        let results = include_str!("../cases/spec-digests.results.json");
        let cases: Vec<HelmRelease> = serde_json::from_str(cases).unwrap();
        let results: Vec<Value> = serde_json::from_str(results).unwrap();
        assert_eq!(cases.len(), results.len());
        for (object, expected) in cases.into_iter().zip(results) {
            let SpecDigests {
                post_renderers,
                common_metadata,
            } = SpecDigests::of(&object, Algorithm::Sha256).unwrap();
            let found = json!({"postRenderers": post_renderers, "commonMetadata": common_metadata});
            assert_eq!(found, expected, "{:?}", object.spec);
        }
    }
}

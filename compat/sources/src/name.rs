//! The names of mirrored Artifacts, and how ours are told from others.

use artifact_crd::{ADAPTER_MANAGER, Artifact};
use artifact_producer::publish::{is_written_by, names};

use crate::SourceId;

/// Label of the Artifacts that the adapters made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "openflux-source-adapter";

/// Returns the two names that a source's Artifact may have: the one of Open Flux, and one for when that is taken.
///
/// See [`artifact_producer::publish::names`].
pub fn artifact_names(source: &SourceId) -> [String; 2] {
    names(
        flux_api::SOURCE_GROUP,
        source.kind.as_str(),
        &source.namespace,
        &source.name,
    )
}

/// Returns whether the adapters made an Artifact: it has their label, or fields that they wrote.
pub fn is_ours(artifact: &Artifact) -> bool {
    let meta = &artifact.metadata;
    let labelled = meta
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGED_BY_VALUE);
    labelled || is_written_by(artifact, ADAPTER_MANAGER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceKind;

    fn id(namespace: &str, name: &str) -> SourceId {
        SourceId {
            kind: SourceKind::GitRepository,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn names_are_those_of_open_flux_when_they_fit() {
        let [plain, hashed] = artifact_names(&id("apps", "web"));
        assert_eq!(plain, "gitrepository-apps-web");
        assert!(hashed.starts_with("gitrepository-apps-web-") && hashed.len() == plain.len() + 9);
    }
}

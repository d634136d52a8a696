//! The names of mirrored Artifacts, and how ours are told from others.

use artifact_crd::{ADAPTER_MANAGER, Artifact};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use sha2::{Digest, Sha256};

use crate::SourceId;

/// Label of the Artifacts that the adapters made.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const MANAGED_BY_VALUE: &str = "openflux-source-adapter";

/// The longest name that Kubernetes takes.
const MAX_NAME: usize = 253;

/// Returns the two names that a source's Artifact may have: the one of Open Flux, and one for when that is taken.
///
/// The first is `<kind>-<namespace>-<name>` in lower case, cut and followed by a hash when it is too long. The second
/// always ends in the hash of group, kind, namespace and name, which no other source shares.
pub fn artifact_names(source: &SourceId) -> [String; 2] {
    let plain = format!("{}-{}-{}", source.kind.as_str(), source.namespace, source.name).to_lowercase();
    let identity = format!("{}/{source}", flux_api::SOURCE_GROUP);
    let digest = Sha256::digest(identity);
    let hash = format!(
        "{:08x}",
        digest
            .iter()
            .take(4)
            .fold(0_u32, |hash, byte| hash << 8 | u32::from(*byte))
    );
    let room = MAX_NAME - hash.len() - 1;
    let stem = plain.get(..room).unwrap_or(&plain).trim_end_matches(['-', '.']);
    let hashed = format!("{stem}-{hash}");
    let first = if plain.len() > MAX_NAME {
        hashed.clone()
    } else {
        plain
    };
    [first, hashed]
}

/// Returns whether the adapters made an Artifact: it has their label, or fields that they wrote.
pub fn is_ours(artifact: &Artifact) -> bool {
    let meta = &artifact.metadata;
    let labelled = meta
        .labels
        .as_ref()
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGED_BY_VALUE);
    let ours = |by: &ManagedFieldsEntry| by.manager.as_deref() == Some(ADAPTER_MANAGER);
    labelled || meta.managed_fields.iter().flatten().any(ours)
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

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let names = ["x", "y"].map(|last| artifact_names(&id("apps", &format!("{}{last}", "a".repeat(252)))));
        assert!(names.iter().flatten().all(|name| name.len() <= MAX_NAME));
        assert_ne!(names[0], names[1]);
    }
}

//! The objects of a release as its status lists them.

use std::collections::BTreeMap;

use controller_kit::object::{GroupKind, api_version, group_kind, id_of, metadata_map, split_api_version};
use flux_api::{Inventory, InventoryEntry};
use helm::File;
use helm::release::Release;

use super::Cluster;
use super::manifest::{ManifestError, documents};

/// Objects that cannot be listed, in stock's words.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The manifest of the release does not hold objects.
    #[error("failed to parse manifest: {0}")]
    Manifest(#[source] ManifestError),
    /// A file of `crds/` does not hold objects.
    #[error("failed to parse CRD {file}: {reason}")]
    Crd {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl Cluster {
    /// Lists the objects of a release, and those of the files of `crds/` that took part; tells of kinds whose scope is
    /// not known.
    ///
    /// # Errors
    /// A manifest does not hold objects.
    pub async fn inventory(
        &self,
        release: &Release,
        crds: &[File],
    ) -> Result<(Inventory, Vec<String>), InventoryError> {
        let (mut entries, mut warnings) = (Vec::new(), Vec::new());
        let mut scopes: BTreeMap<GroupKind, bool> = BTreeMap::new();
        for document in documents(&release.manifest.read()) {
            let object = document.map_err(InventoryError::Manifest)?.object;
            let annotations = metadata_map(&object, "annotations");
            if annotations.is_some_and(|annotations| annotations.contains_key("helm.sh/hook")) {
                continue;
            }
            let mut id = id_of(&object);
            let version = split_api_version(api_version(&object)).1.to_owned();
            let kind = group_kind(&id);
            if id.namespace.is_empty() {
                let scope = match scopes.get(&kind) {
                    Some(scope) => Ok(*scope),
                    None => self.is_namespaced(&kind, &version).await,
                };
                match scope {
                    Ok(is_namespaced) => {
                        scopes.insert(kind, is_namespaced);
                        if is_namespaced {
                            id.namespace.clone_from(&release.namespace);
                        }
                    }
                    Err(error) => warnings.push(format!(
                        "failed to determine if {} is namespace scoped, skipping namespace: {error}",
                        id.kind
                    )),
                }
            }
            entries.push(InventoryEntry {
                id: id.to_string(),
                version,
            });
        }
        for file in crds {
            entries.extend(of_file(file)?);
        }
        Ok((Inventory { entries }, warnings))
    }

    async fn is_namespaced(&self, kind: &GroupKind, version: &str) -> Result<bool, String> {
        let mapping = self.mapper.mapping(&kind.group, version, &kind.kind).await;
        mapping
            .map(|mapping| mapping.namespaced)
            .map_err(|error| format!("failed to get restmapping: {error}"))
    }
}

fn of_file(file: &File) -> Result<Vec<InventoryEntry>, InventoryError> {
    let failed = |reason: String| InventoryError::Crd {
        file: file.name.clone(),
        reason,
    };
    let bytes = file.content.bytes().map_err(|error| failed(error.to_owned()))?;
    let mut entries = Vec::new();
    for document in documents(&String::from_utf8_lossy(bytes)) {
        let object = document.map_err(|error| failed(error.to_string()))?.object;
        entries.push(InventoryEntry {
            id: id_of(&object).to_string(),
            version: split_api_version(api_version(&object)).1.to_owned(),
        });
    }
    Ok(entries)
}

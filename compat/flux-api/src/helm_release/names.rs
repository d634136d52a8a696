//! Names and namespaces that follow from a HelmRelease.

use sha2::{Digest, Sha256};

use super::HelmRelease;

/// The longest release name that Helm takes, in bytes.
const MAX_RELEASE_NAME: usize = 53;
/// How much of the hash of a long name ends its short form.
const HASH: usize = 12;

/// Shortens a release name that is too long for Helm: 40 bytes of it, a hyphen, and the start of its SHA-256.
pub fn shorten_release_name(name: &str) -> String {
    if name.len() <= MAX_RELEASE_NAME {
        return name.to_owned();
    }
    let hash = Sha256::digest(name.as_bytes());
    let mut hex = String::with_capacity(HASH);
    for byte in hash.iter().take(HASH / 2) {
        hex.extend([byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])));
    }
    let start = &name[..name.floor_char_boundary(MAX_RELEASE_NAME - HASH - 1)];
    format!("{start}-{hex}")
}

impl HelmRelease {
    fn own_namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn own_name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the release name as configured, or `[targetNamespace-]name`; Helm gets its
    /// [short form](shorten_release_name).
    pub fn release_name(&self) -> String {
        let spec = &self.spec;
        if !spec.release_name.is_empty() {
            spec.release_name.clone()
        } else if spec.target_namespace.is_empty() {
            self.own_name().to_owned()
        } else {
            format!("{}-{}", spec.target_namespace, self.own_name())
        }
    }

    /// Returns the namespace of the release: `targetNamespace`, or the object's own.
    pub fn release_namespace(&self) -> &str {
        either(&self.spec.target_namespace, self.own_namespace())
    }

    /// Returns the namespace of the release records: `storageNamespace`, or the object's own.
    pub fn storage_namespace(&self) -> &str {
        either(&self.spec.storage_namespace, self.own_namespace())
    }

    /// Returns the name of the HelmChart that is made from `spec.chart`.
    pub fn helm_chart_name(&self) -> String {
        format!("{}-{}", self.own_namespace(), self.own_name())
    }
}

fn either<'a>(configured: &'a str, default: &'a str) -> &'a str {
    if configured.is_empty() {
        default
    } else {
        configured
    }
}

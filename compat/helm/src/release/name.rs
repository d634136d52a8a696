//! The names that follow from a HelmRelease.

use crate::flux::digest::{Algorithm, Digest};

/// The longest name that Helm takes.
const MAX_NAME: usize = 53;

/// How much of the digest of a name that is too long ends the shortened one.
const HASH: usize = 12;

/// The full name of a release: that of the spec, else the HelmRelease's, behind its target namespace if it has one.
///
/// Messages of failures show it; Helm gets it [shortened](shorten_name).
pub fn release_name(object: &str, release_name: &str, target_namespace: &str) -> String {
    if !release_name.is_empty() {
        return release_name.to_owned();
    }
    if target_namespace.is_empty() {
        return object.to_owned();
    }
    format!("{target_namespace}-{object}")
}

/// The name that Helm gets: what is too long for it is cut, and ends with a part of its SHA-256.
pub fn shorten_name(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let digest = Digest::of(Algorithm::Sha256, name.as_bytes());
    let hash = digest.hex().get(..HASH).unwrap_or_default();
    let start = name.as_bytes().get(..MAX_NAME - HASH - 1).unwrap_or_default();
    format!("{}-{hash}", String::from_utf8_lossy(start))
}

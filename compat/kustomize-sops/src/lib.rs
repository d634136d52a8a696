//! Encrypted files of a kustomization, decrypted as kustomize-controller does it.
//!
//! Before the build, [`decrypt_sources`] goes through the kustomization files and decrypts what their generators of
//! Secrets and their patches read. What comes out lies above the tree and never in it: a [`Decrypted`] tree shows the
//! decrypted files in place of the others, and wipes them when it is dropped. After the build, [`decrypt_built`]
//! decrypts the objects.

mod built;
mod overlay;
mod sources;

pub use built::{BuiltError, decrypt_built};
pub use overlay::Decrypted;
pub use sources::{SourceError, decrypt_sources};

use sops::KeyService;

/// What files are decrypted with, and how much of it there may be.
#[derive(Clone)]
pub struct Decryption<'k> {
    /// Who decrypts data keys.
    pub keys: &'k dyn KeyService,
    /// Bounds for each file.
    pub limits: sops::Limits,
    /// Bytes that all decrypted files of a build may have together. Default 64 MiB.
    pub max_plain_bytes: usize,
}

impl std::fmt::Debug for Decryption<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decryption")
            .field("limits", &self.limits)
            .field("max_plain_bytes", &self.max_plain_bytes)
            .finish_non_exhaustive()
    }
}

impl<'k> Decryption<'k> {
    /// Decryption with some keys and the usual bounds.
    pub fn new(keys: &'k dyn KeyService) -> Self {
        Self {
            keys,
            limits: sops::Limits::default(),
            max_plain_bytes: 64 << 20,
        }
    }
}

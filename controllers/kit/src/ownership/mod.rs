//! What of a live object is ours: by the field managers that it lists, by hashes of what they own, and by markers that
//! users have put on it.

mod hash;
mod managers;
mod owned;

pub(crate) use hash::{SEED, content_hash, entry_hash, sum, value_hash};
pub use managers::FieldManagers;
pub(crate) use managers::migration_patch;
pub(crate) use owned::owned_hash;

/// The annotations and labels with which users steer how one object is applied.
pub(crate) mod markers {
    pub(crate) use flux_api::{
        KUSTOMIZE_DECRYPT as DECRYPT, KUSTOMIZE_FORCE as FORCE, KUSTOMIZE_PRUNE as PRUNE,
        KUSTOMIZE_RECONCILE as RECONCILE, KUSTOMIZE_SSA as SSA,
    };
}

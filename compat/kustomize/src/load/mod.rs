//! Reading what a kustomization names, and the kustomization itself.

pub(crate) mod kustomization;
pub(crate) mod loader;
pub(crate) mod notice;

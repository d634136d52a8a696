//! What kustomize-controller adds around a build.

mod common_metadata;
mod kustomization;
mod references;

pub use common_metadata::set_common_metadata;
pub use kustomization::{Generated, build_flux, generate_kustomization};
pub use references::References;

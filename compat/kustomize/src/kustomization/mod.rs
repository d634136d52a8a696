//! Kustomization files: reading, warnings about deprecated fields, conversions.

mod load;
mod types;

pub(crate) use load::load;
pub(crate) use types::*;

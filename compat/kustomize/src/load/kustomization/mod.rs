//! Kustomization files: reading, warnings about deprecated fields, conversions.

mod load;
mod types;

pub(crate) use load::{COMPONENT_KIND, FILE_NAMES, header, load};
pub(crate) use types::*;

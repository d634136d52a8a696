//! Places in objects: the field specs of transformers, and the paths of replacements.

pub(crate) mod fieldfilter;
pub(crate) mod fieldspec;
pub(crate) mod path;

//! Which fields transformers change: the defaults, `configurations` and `crds`.

pub(crate) mod crds;
mod defaults;
pub(crate) mod transformers;

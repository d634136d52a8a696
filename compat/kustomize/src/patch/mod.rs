//! The two kinds of patches.

pub(crate) mod json_patch;
pub(crate) mod strategic_merge;

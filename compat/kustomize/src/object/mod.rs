//! The objects of a build: their identity, their trees with what the build remembers, and lists of them.

pub(crate) mod hash;
pub(crate) mod origin;
pub(crate) mod resid;
pub(crate) mod resmap;
pub(crate) mod resource;

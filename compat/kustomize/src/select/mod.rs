//! Which objects something is about.

pub(crate) mod label_selector;
pub(crate) mod selection;

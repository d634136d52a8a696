//! What is decided before templates run: which charts take part, under which names, and with which values.

mod choose;
pub(crate) mod coalesce;
pub(crate) mod instance;
pub(crate) mod validate;
pub(crate) mod work;

//! `values.schema.json`: compiled once for a chart, and what checking values by it costs.

pub(crate) mod compiled;
mod patterns;
mod shape;
mod work;

//! What kustomize knows about the types of objects: how their lists merge, and whether they live in a namespace.

mod builtin;
mod custom;
mod schema;

pub(crate) use builtin::is_certainly_cluster_scoped;
pub(crate) use custom::shape;
pub(crate) use schema::{Schema, Shape};

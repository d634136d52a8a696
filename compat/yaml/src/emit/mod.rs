//! Trees and values to text.

mod analysis;
mod tree;
mod value;
mod writer;

pub(crate) use tree::write_document;
pub(crate) use value::{is_base60, write_value};

use crate::Error;

/// The deepest tree that is printed. It bounds recursion, and lies above what the readers build.
const MAX_DEPTH: usize = 1024;

fn too_deep() -> Error {
    Error::limit(format!("yaml: nested more than {MAX_DEPTH} levels deep"))
}

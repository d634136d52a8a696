//! Transformations on this machine: reading what they are and what they are made of, and writing what comes out.

mod error;
mod folder;
mod input;
mod manifest;
mod write;

pub use error::FilesError;
pub(crate) use input::{Given, inputs};
pub(crate) use manifest::documents;
pub(crate) use write::{archive, folder as write_folder};

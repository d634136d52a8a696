//! The sequence of a build: from its root, directory by directory, transformer by transformer.

mod accumulator;
mod order;
mod plugins;
mod root;
mod steps;
mod target;

pub use root::{Object, Output, Printer, build, build_with_notices};

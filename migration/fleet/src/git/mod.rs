//! Edits of a Git checkout: a label is put where an object is defined, by inserting bytes and never by printing YAML anew.
//!
//! [`Checkout`] are the files, [`Repository`] is what Flux makes of them: clusters, the objects of each, and where each comes
//! from. [`label`] says which files change, and accepts that only if building every root before and after differs in the
//! label on the objects that are meant, and in nothing else.

mod change;
mod checkout;
mod document;
mod exclude;
mod insert;
mod kustomizations;
mod patch;
mod repository;
#[cfg(test)]
mod tests;

pub use change::{Changes, Labelled, Unplaced, label};
pub use checkout::Checkout;
pub use document::{Definition, definitions};
pub use exclude::{Argument, Excluded, Holder, exclude};
pub use insert::{Edit, Refusal, set_label};
pub use patch::add_patch;
pub use repository::{Built, Cluster, Repository, Root};

//! Library to write a controller that consumes Artifact resources.
//!
//! A consumer follows all Artifacts with a watch and feeds them to an [`ArtifactIndex`]. For each of its own objects
//! it resolves the reference to a source ([`resolve`]) into a [`SourceKey`], and asks the index for the Artifact of
//! that key. When the index says that an event matters to a key, the consumer wakes the objects that refer to it.
//!
//! Nothing here does I/O or keeps time: the controller owns the watch and the queue.

mod index;
mod reference;

pub use index::{ArtifactIndex, ArtifactName, LookupError, MAX_OWNERS, consumed_as};
pub use reference::{Access, ReferenceError, SourceKey, resolve};

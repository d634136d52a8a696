//! The Helm deployer: Artifact in, Helm release out.
//!
//! - [`machine`] decides what comes next for a release, and writes its status, without looking at anything itself.

pub mod machine;

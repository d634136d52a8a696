//! The Helm deployer: Artifact in, Helm release out.
//!
//! - [`machine`] decides what comes next for a release, and writes its status, without looking at anything itself.
//! - [`action`] does it: install, upgrade, rollback, test, uninstall, unlock.
//! - [`cluster`] is below that: manifests become objects, which are applied, owned, waited for and deleted.
//! - [`storage`] keeps the records of releases where Helm does.

pub mod action;
pub mod cluster;
pub mod machine;
pub mod storage;

//! Semantic versions and constraints as the Go library Masterminds/semver (v3.5) reads and compares them.
//!
//! Helm checks chart, application and Kubernetes versions with it, so its leniency (`v1.2`, `1.020.1`), its rule for prereleases and its
//! error texts are part of what a chart sees.
//!
//! ```
//! use sprig::semver::{Constraints, Version};
//!
//! let constraint = Constraints::parse(">=1.19-0").unwrap();
//! assert!(constraint.check(&Version::parse("v1.33.4-gke.1").unwrap()));
//! ```

mod constraint;
mod object;
mod version;

pub use constraint::{ConstraintError, Constraints};
pub(crate) use object::{deep_copy, register};
pub use version::{Version, VersionError};

//! The testbed: a real control plane, the stock tools, oracles, benchmarks and repository rules.
//!
//! [`tools`] builds the stock tools; it is all that `cargo xtask` needs, so it stays small. `testbed` starts them.

#[cfg(feature = "testbed")]
pub mod benchmark;
mod cargo;
#[cfg(feature = "testbed")]
pub mod differential;
#[cfg(feature = "testbed")]
pub mod testbed;
pub mod tools;

pub use cargo::{cargo, host_target, shipped};

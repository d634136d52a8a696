//! The kustomize deployer: Artifact in, applied objects out.
//!
//! A run reads as this table of contents, one file each:
//!
//! 1. `reconcile`: observe what the caches know, decide, act, report;
//! 2. `decide`: the next step, as a pure function;
//! 3. `deploy`: fetch, render (`tree`, `remote`, `variables`, `render`) as long as it is `wanted`, `apply` in stages, `prune` (`inventory`, `takeover`), wait (`health`);
//! 4. `finalize`: the end of an object, also of one that has `vanished`;
//! 5. `interlock`: what happens instead while a stock controller reconciles the object too;
//! 6. `report` and `status`: conditions, events and the next run.
//!
//! `controller` wires watches to the queue. The controller reads Artifacts and never a source kind.

mod apply;
mod context;
mod controller;
mod decide;
mod deploy;
mod fan_out;
mod finalize;
mod health;
mod interlock;
mod inventory;
mod log;
mod prune;
mod reconcile;
mod remote;
mod render;
mod report;
mod settings;
mod status;
mod takeover;
mod tree;
mod vanished;
mod variables;
mod wanted;
mod written;

pub use context::CONTROLLER;
pub use controller::{Connections, run};
pub use remote::RemoteBases;
pub use settings::Settings;

//! What makes a controller a Flux deployer: everything but what it does with its artifacts.
//!
//! A deployer says what its kind is ([`Kind`]) and brings an artifact into the cluster ([`Deployer`]); everything else is
//! the same for all of them, and is here. In reading order, from the steering downwards:
//!
//! 1. `controller` connects `watches` and `configs` to the queue; `fan_out` knows whom an artifact wakes, by `references`;
//! 2. `reconcile` is one run: observe, decide, act, report;
//!    `shadow` is one that writes nothing, for whoever asks what it would change;
//! 3. `report` makes conditions, event and next run of an [`Outcome`]: the one table of fates;
//! 4. what stages are made of: [`fetch`] an artifact as long as it is [`wanted`], wait for [`health`], [`prune`] by
//!    [`inventory`] after [`takeover`] by others, act in the right `cluster` as the right identity, by `kube_config` and `workload_identity`;
//! 5. [`Run`] is the bottom of a run: what it is about, how far it got, and its words; `conditions` and `events` are those;
//! 6. `context` is what all runs share: statuses that were written, objects that have `vanished` or are `elsewhere`, `progress` of
//!    others, the `finalizer` and the patches of `status`; `interlock` is what happens while a stock controller reconciles the object too,
//!    `hand_over` when an object moves while somebody is at work on it, whose `arrival` is remembered, and `holds` when whoever moves it
//!    asks us to wait.
//!
//! Files call down this list and are never called back. A deployer reads Artifacts and never a source kind.

mod arrival;
mod cluster;
mod conditions;
mod context;
mod controller;
mod elsewhere;
mod events;
mod expressions;
mod fan_out;
mod finalizer;
mod hand_over;
mod holds;
mod interlock;
mod kind;
mod kube_config;
mod log;
mod outcome;
mod progress;
mod reconcile;
mod references;
mod report;
mod run;
mod settings;
mod status;
mod step;
mod vanished;
mod watches;
mod workload_identity;

pub mod fetch;
pub mod health;
pub mod inventory;
pub mod prune;
pub mod shadow;
pub mod takeover;
pub mod wanted;

pub use conditions::Conditions;
pub use context::{Context, Ownership};
pub use controller::{Connections, run};
pub use events::About;
pub use expressions::{TERMINAL, Unready, first_unready, health_checks};
pub use hand_over::HandOver;
pub use kind::{Kind, Names, StatusOf};
pub use kube_config::ClusterError;
pub use kubeconfig::Permits;
pub use outcome::{Conclusion, Failure, Fate, Halt, Next, Outcome, Success, Wait};
pub use reconcile::{Deployer, Shadowed, missing};
pub use run::Run;
pub use settings::{KubeConfigSettings, Settings, WorkloadIdentity};
pub use shadow::{Questions, Shadows, shadows};
pub use status::StatusError;
pub use step::{ArtifactProblem, Dependency, Observed, Refusal, Step, is_held, not_ready};

pub use flux_cel::health::HealthChecks;

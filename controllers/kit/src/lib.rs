//! What every controller of this project is built from.
//!
//! This is the first crate that links the Kubernetes client and an async runtime. In reading order:
//!
//! - [`Queue`] decides what runs when; [`WatchCache`] follows the cluster and feeds it, by the one loop of [`follow()`].
//! - [`artifact`] fetches, verifies, unpacks and keeps artifacts.
//! - [`http`] is the client below that, and below everything else that a URL leads to; [`FairBudget`] bounds it.
//! - [`apply`] brings objects into the cluster, [`live`] knows what became of them, and [`readiness`] judges it.
//! - [`interlock`] knows which objects a stock controller reconciles too.
//! - [`Cluster`] is where all of that happens, as one identity; [`Clusters`] are those that objects name besides our own.
//! - [`Rest`] and [`Mapper`] are the requests below all of it, [`Backoff`] the pauses between those that fail, [`Written`] what
//!   they wrote until a watch brings it back.
//! - [`author`] has what authors of controllers meet, be it as producers or as consumers.
//! - [`cloud`] is what workload identity needs of the world, and [`TokenSource`] what it is needed for.
//! - [`events`], [`Metrics`], [`server`], [`leader`] and [`logging`] are what operators see.

mod backoff;
mod bearing;
mod client;
mod cluster;
mod clusters;
mod configs;
mod definitions;
mod fair;
#[cfg(test)]
mod fake;
mod follow;
mod inspect;
mod mapper;
mod mapping;
mod metrics;
mod ownership;
mod process_metrics;
mod queue;
mod raw;
mod reach;
mod redact;
mod refs;
mod remote;
mod rest;
mod shared_watch;
mod token_metrics;
mod watch;
mod written;

pub mod apply;
pub mod artifact;
pub mod author;
pub mod cloud;
pub mod events;
pub mod http;
pub mod interlock;
pub mod leader;
pub mod live;
pub mod logging;
pub mod object;
pub mod readiness;
pub mod server;

pub use backoff::{Attempts, Backoff, spread};
pub use bearing::TokenSource;
pub use client::connect;
pub use cluster::Cluster;
pub use clusters::{ClusterRecipe, Clusters, cluster_id, identity_cluster_id};
pub use configs::{ConfigKind, OnConfigChange, follow_configs};
pub use fair::{FairBudget, Portion};
pub use flux_api::selector;
pub use follow::{Failure, Follower, follow};
pub use mapper::{MapError, Mapper};
pub use mapping::{KindVersion, Mapping};
pub use metrics::{Metrics, QueueMetrics};
pub use queue::{Queue, Requeue, Run, Slot, Superseded, Triggers};
pub use refs::RefIndex;
pub use remote::{ConnectError, connect_to};
pub use rest::{Ask, ObjectPath, Rest, RestError, Seen};
pub use shared_watch::{Following, SharedWatch};
pub use watch::{Change, ObjectKey, WatchCache, WatchState};
pub use written::{Written, is_newer};

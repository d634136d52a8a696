//! Workload identity: credentials of AWS, Azure and GCP for a service account of the cluster or for the process, and with
//! them the way to clusters of these clouds. What Flux's `pkg/auth` does for `spec.decryption` and
//! `spec.kubeConfig.configMapRef`.
//!
//! Everything goes over a [`Network`] that is handed in, and needs nothing else of a runtime. The environment and the
//! files of the process are looked at through [`Surroundings`], the cluster through [`Cluster`].
//!
//! - [`aws`], [`azure`], [`gcp`]: the requests of each cloud: how credentials are asked for, how they are used, and how a
//!   cluster of that cloud is looked up;
//! - `account`: whom a service account stands for, as its annotations say;
//! - [`Identities`]: a token for an [`Identity`], used again as long as it is good ([`Tokens`]), for nobody else;
//! - [`ClusterSettings`] is what a ConfigMap says about a cluster, and [`Identities::way`] leads there.

mod account;
pub mod aws;
pub mod azure;
mod cache;
mod cluster_settings;
mod clusters;
mod error;
pub mod gcp;
mod identities;
mod jwt;
mod token;
mod usage;
mod wire;

#[cfg(test)]
mod script;

pub use cache::Tokens;
pub use cluster_settings::{ClusterSettings, Provider};
pub use error::{AuthError, IdentityError, WayError};
pub use identities::{Asked, Cluster, Identities, Identity};
pub use token::{AccessToken, Way};
pub use usage::{Involved, TokenCounts, TokenEvents};
pub use wire::{Network, NetworkError, Reply, Request, Sent, Surroundings, Trust, send_patiently};

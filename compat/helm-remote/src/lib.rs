//! Fetches charts from where they live, as `helm template` and its relatives do: from a repository (`--repo`, or
//! `NAME/CHART` of Helm's own list), from an OCI registry, and from a URL.
//!
//! Credentials are those that are given, else those of Helm's own files ([`HelmFiles`]): the list of repositories, and the
//! configuration of registries, which Docker's stands in for. Nothing is written to any of them, and nothing is kept
//! between runs, but the indexes that [`Repositories::update`] fetches anew, as Helm does for dependencies. What a server sends is bounded in bytes and in time ([`Limits`]), and a chart that has a digest is
//! compared with it.
//!
//! The controllers do not link this crate: they read Artifacts.
//!
//! Follow a chart through `fetch` (which of the three it is), then `index` and `files`, or `registry` and `reference`; all
//! of them ask through `client`; what comes back is a `fetched` one. `provenance` tells whether it is what somebody signed, `repositories` is what dependencies
//! are resolved with.

mod access;
mod client;
mod digest;
mod error;
mod fetch;
mod fetched;
mod files;
mod index;
mod login;
mod provenance;
mod reference;
mod refusal;
mod registry;
mod repositories;
mod retry;
mod token;

pub use access::{Access, Limits};
pub use client::without_password;
pub use error::FetchError;
pub use fetch::{Place, Wanted, fetch, locate};
pub use fetched::{Fetched, VerifyFetchedError};
pub use files::HelmFiles;
pub use openpgp::VerifyError;
pub use provenance::{ProvenanceError, verify};
pub use repositories::{ChartVersion, Charts, Kept, Repositories, resolve_reference, same_repository};

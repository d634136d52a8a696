//! Data keys that a service decrypts: AWS KMS, GCP KMS, Azure Key Vault, and the transit engine of Vault and OpenBao.
//!
//! [`Services`] asks them for one object: with the credentials of its Secret ([`Imported`]), else as its service account or as the
//! process itself ([`Identities`]). What is asked, and what is told of failures, is what sops 3.13 and kustomize-controller
//! ask and tell.
//!
//! `aws`, `gcp`, `azure` and `vault` know one service each; `application` and `account` get tokens with credentials of a Secret,
//! `sign` signs requests to AWS, `jwt` claims. `wire` is what is handed in: the network, and what is around the process.

mod account;
mod application;
mod aws;
mod azure;
mod gcp;
mod identity;
mod imported;
mod jwt;
mod services;
mod sign;
mod vault;
mod wire;

pub use identity::{Access, Granted, Identities, Wants};
pub use imported::{ImportError, Imported};
pub use services::{Services, VaultLogins};
pub use wire::{Network, NetworkError, Reply, Request, Sent, Surroundings, Trust};

/// Why there are no credentials. Nothing of a credential is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    #[error("{0}")]
    Network(#[from] NetworkError),
    #[error("{what}: status {status}: {message}")]
    Refused {
        what: &'static str,
        status: u16,
        message: String,
    },
    #[error("{0}: the answer of the server cannot be read")]
    Answer(&'static str),
    #[error("{0}")]
    Configuration(String),
}

impl AuthError {
    fn configuration(text: impl Into<String>) -> Self {
        Self::Configuration(text.into())
    }
}

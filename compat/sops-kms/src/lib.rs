//! Data keys that a service decrypts: AWS KMS, GCP KMS, Azure Key Vault, and the transit engine of Vault and OpenBao.
//!
//! [`Services`] asks them for one object: with the credentials of its Secret ([`Imported`]), else as its service account or as the
//! process itself ([`cloud_auth::Identities`]). What is asked, and what is told of failures, is what sops 3.13 and kustomize-controller
//! ask and tell.
//!
//! `aws`, `gcp`, `azure` and `vault` know one service each. The network is handed in.

mod aws;
mod azure;
mod gcp;
mod imported;
mod services;
mod vault;

pub use imported::{ImportError, Imported};
pub use services::{Services, VaultLogins};

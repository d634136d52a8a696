//! Kubeconfigs that somebody else hands in: read, judged and reduced to what may be used of them.
//!
//! A kubeconfig of a tenant is untrusted: it may name files of the controller's machine, commands to run and certificates
//! not to look at. [`Access::of`] reads it as client-go does, judges it in client-go's words, and keeps nothing that
//! leads out of the document itself; commands and unverified connections are kept only where an operator permits them.
//!
//! Whoever reads kubeconfigs of his own takes [`Config`], the document as it is written down.
//!
//! - `file`: that document;
//! - `usable`: what keeps parts of it from being used, in client-go's words;
//! - `access`: what is kept of it;
//! - `address`: addresses of API servers; `pem`: certificates.
//!
//! ```
//! use kubeconfig::{Access, Permits};
//!
//! let text = b"
//! current-context: one
//! contexts: [{name: one, context: {cluster: far, user: me}}]
//! clusters: [{name: far, cluster: {server: 'https://far.example:6443'}}]
//! users: [{name: me, user: {token: secret}}]
//! ";
//! let access = Access::of(text, Permits::default())?;
//! assert_eq!(access.server, "https://far.example:6443");
//! assert_eq!(access.credentials.token.as_deref(), Some("secret"));
//! assert!(!format!("{access:?}").contains("secret"));
//! # Ok::<(), kubeconfig::Error>(())
//! ```

mod access;
mod address;
mod error;
mod file;
mod pem;
mod usable;

pub use access::{Access, Credentials, Permits};
pub use address::{AddressError, cluster_address};
pub use error::Error;
pub use file::{Cluster, Config, Context, User};
pub use pem::has_certificates;

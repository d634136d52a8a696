//! Stores the artifacts of a producer on disk, and serves them.
//!
//! Files are named after the digest of what is served, so that a URL never serves two different things. In reading order:
//!
//! - [`Store::open`] takes a volume, alone, and knows at once what is on it.
//! - [`Store::put`] archives a content and stores it, atomically; the same content is stored once.
//! - [`Store::publish`] says that the world knows of a file: those before it are superseded from then on, and removed when
//!   `retention` says so ([`Store::collect`]).
//! - [`serve`] is the HTTP server: GET, HEAD and ranges of the files that the store knows, and nothing else.
//!
//! Nothing here knows of Kubernetes: the caller says what is advertised, and what is gone.

mod content;
mod disk;
mod error;
mod index;
mod open;
mod options;
mod place;
mod put;
mod record;
mod retention;
mod server;
mod store;
mod upkeep;

pub use content::Content;
pub use error::{OpenError, PutError};
pub use options::{Advertised, StoreOptions};
pub use place::Place;
pub use server::{Certificates, ServerState, TlsError, serve};
pub use store::{Store, Stored, Usage};
pub use upkeep::{Adopted, Collected};

#[cfg(test)]
mod tests;

//! Artifacts: where they may come from, how they are fetched, verified, unpacked and kept.
//!
//! `cache`, `shelf` and `refused` form a circle: the shelf keeps what the cache hands out and what it has refused, in the
//! words of the cache.

mod cache;
mod digest;
mod fetch;
mod refused;
mod shelf;
mod stand_in;
mod tree;
mod unpack;
mod url;

pub use cache::{CacheLimits, ContentCache, ContentError, Refusal};
pub use digest::{Digest, DigestError};
pub use fetch::{Download, FetchError, FetchOptions, Fetcher, LocalContent};
pub use stand_in::StandIns;
pub use tree::{ArtifactTree, NoSuchDirectory, TreeFile};
pub use unpack::{Measured, UnpackError, UnpackLimits, measure, unpack};
pub use url::{HostAllowList, UrlError, shown_url};

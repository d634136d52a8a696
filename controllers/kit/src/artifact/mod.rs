//! Artifacts: where they may come from, how they are fetched, verified, unpacked and kept.

mod cache;
mod digest;
mod fetch;
mod refused;
mod unpack;
mod url;

pub use cache::{CacheLimits, ContentCache, ContentError, Refusal};
pub use digest::{Digest, DigestError};
pub use fetch::{Download, FetchError, FetchOptions, Fetcher};
pub use unpack::{ArtifactTree, UnpackError, UnpackLimits, unpack};
pub use url::{HostAllowList, UrlError, shown_url};

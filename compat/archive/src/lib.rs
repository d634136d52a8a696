//! Artifacts as source-controller archives them: a tar that is equal to the byte, and its two hashes.
//!
//! [`TarWriter`] writes what Go's `archive/tar` writes for the headers that source-controller makes. [`content_hash`] is the
//! SHA-256 of that tar, which is the same for the same files whatever compresses it, and so belongs into a revision.
//! [`pack`] also compresses the tar, and gives the digest of the bytes as they are served. [`Body`] reads what others offer for
//! download: archives of several formats, and single files, within limits.
//!
//! ```
//! use flux_archive::{Algorithm, File, pack};
//!
//! let files = vec![File { path: "deploy/app.yaml", content: b"kind: Namespace\n", executable: false }];
//! let (packed, archive) = pack(files, Algorithm::Sha256, Vec::new())?;
//! assert_eq!(packed.size, archive.len() as u64);
//! assert_eq!(packed.content.len(), 64);
//! # Ok::<(), flux_archive::ArchiveError>(())
//! ```

mod body;
mod error;
mod hash;
mod pack;
mod tar;
mod tree;
mod walk;

pub use body::{Body, BodyError, Files, Form, Loaded, Selection, glob};
pub use error::ArchiveError;
pub use hash::{Algorithm, Hasher, UnknownAlgorithm, hex};
pub use pack::{Packed, content_hash, content_hash_of, pack};
pub use tar::TarWriter;
pub use tree::{File, clean_path};
pub use walk::{Limits, Metered, Stop, WalkError, walk};

//! Charts as they are packed: their files, what they say about themselves, and what is kept about them between renders.

mod archive;
pub(crate) mod file;
pub(crate) mod files;
mod glob;
mod ignore;
mod lock;
pub(crate) mod metadata;
mod pack;
pub(crate) mod packed;
pub(crate) mod template_cache;

pub use archive::{ArchiveError, is_gzip};
pub use file::{Content, File};
pub use ignore::{HELMIGNORE, IgnoreError, IgnoreRules};
pub use lock::Lock;
pub use metadata::{Dependency, InvalidMetadata, Maintainer, Metadata};
pub use pack::{PackError, pack};
pub use packed::{Chart, LoadError, Template};

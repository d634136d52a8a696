//! Why the store cannot be opened, or something not be stored.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use flux_archive::ArchiveError;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by {holder}", .path.display())]
    InUse {
        /// The volume.
        path: PathBuf,
        /// Who has it, as they said.
        holder: String,
    },
    /// Temporary files would be on another file system, so that nothing could be renamed.
    #[error("{} is on another file system than {}", .temporary.display(), .path.display())]
    OtherFileSystem {
        /// The volume.
        path: PathBuf,
        /// The folder for temporary files.
        temporary: PathBuf,
    },
    /// Two kinds have one folder.
    #[error("two kinds are called {0:?} in lower case, and would share their files")]
    Kinds(String),
    /// It cannot be read or written.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// Why something is not stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PutError {
    /// It cannot be archived.
    #[error(transparent)]
    Archive(Arc<ArchiveError>),
    /// It is longer than is allowed.
    #[error("the artifact is longer than {0} bytes, raise --artifact-max-bytes if that is intended")]
    TooLong(u64),
    /// There is no room.
    #[error("disk full: {} MiB and {inodes} inodes free at {}, {} MiB are superseded", mebibytes(*.free), .path.display(), mebibytes(*.superseded))]
    Full {
        /// The volume.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Inodes that are free.
        inodes: u64,
        /// Bytes of files that will be removed by and by.
        superseded: u64,
    },
    /// The volume does not work.
    #[error("cannot store at {}: {source}", .path.display())]
    Io {
        /// The volume.
        path: PathBuf,
        /// What is wrong.
        source: Arc<io::Error>,
    },
}

fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// Whether an error says that there is no room: of bytes, of inodes or of a quota.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether an error says that the volume does not work any more.
pub(crate) fn is_broken(error: &io::Error) -> bool {
    let broken = [
        rustix::io::Errno::IO,
        rustix::io::Errno::ROFS,
        rustix::io::Errno::STALE,
    ];
    let number = error.raw_os_error();
    broken.iter().any(|errno| Some(errno.raw_os_error()) == number)
}

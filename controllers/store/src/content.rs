//! What is stored.

use flux_archive::File;

/// The content of an artifact.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Files, which are archived in the one way that gives the same files the same revision.
    Files(Vec<File<'a>>),
    /// An archive that is stored as it is, because others know its digest: a chart.
    Verbatim {
        /// A gzip-compressed tar.
        archive: &'a [u8],
        /// The last part of the file's name, such as `tgz`.
        extension: &'static str,
    },
}

impl Content<'_> {
    pub(crate) fn extension(&self) -> &'static str {
        match self {
            Self::Files(_) => "tar.gz",
            Self::Verbatim { extension, .. } => extension,
        }
    }

    /// About how many bytes it takes on disk, at most.
    pub(crate) fn expected_bytes(&self) -> u64 {
        match self {
            Self::Files(files) => files.iter().map(|file| 1024 + file.content.len() as u64).sum(),
            Self::Verbatim { archive, .. } => archive.len() as u64,
        }
    }
}

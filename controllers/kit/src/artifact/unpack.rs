//! Unpacks a gzip-compressed tar archive into memory, within limits.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

/// Bounds on what an archive may unpack to.
#[derive(Clone, Copy, Debug)]
pub struct UnpackLimits {
    /// Longest uncompressed archive in bytes; 256 MiB by default.
    pub bytes: u64,
    /// Most entries; 100,000 by default.
    pub entries: usize,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            entries: 100_000,
        }
    }
}

/// The regular files of an artifact by their clean, relative paths.
///
/// All contents share one buffer. Symbolic links were left out, as Flux leaves them out.
#[derive(Clone, Debug, Default)]
pub struct ArtifactTree {
    files: BTreeMap<String, Bytes>,
    bytes: usize,
}

impl ArtifactTree {
    /// Gives the files in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.files.iter().map(|(path, content)| (path.as_str(), content))
    }

    /// Gives the content of a file.
    pub fn file(&self, path: &str) -> Option<&Bytes> {
        self.files.get(path)
    }

    /// Gives the paths of all files below a directory, relative to it; of all files when it is empty.
    pub fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> {
        let prefix = if directory.is_empty() {
            String::new()
        } else {
            format!("{directory}/")
        };
        let from = self.files.range::<str, _>((
            std::ops::Bound::Included(prefix.as_str()),
            std::ops::Bound::Unbounded,
        ));
        from.map_while(move |(path, _)| path.strip_prefix(prefix.as_str()))
    }

    /// Gives the memory that the tree occupies, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// About what an entry of the tree takes besides its path and content.
const ENTRY_BYTES: usize = 96;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not a gzip stream, truncated, or corrupt.
    #[error("artifact is not a valid tar.gz archive: {0}")]
    Corrupt(#[source] std::io::Error),
    /// The uncompressed archive is too large.
    #[error(
        "artifact unpacks to more than {0} bytes, raise --artifact-max-unpacked-bytes if that is intended"
    )]
    TooLarge(u64),
    /// There are too many entries.
    #[error("artifact has more than {0} entries, raise --artifact-max-entries if that is intended")]
    TooManyEntries(usize),
    /// A path would leave the root.
    #[error("artifact entry {0:?} has a path that is absolute, empty or leaves the root")]
    Path(String),
    /// Something else than a file, a directory or a symbolic link.
    #[error("artifact entry {0:?} is neither a regular file nor a directory")]
    Type(String),
}

/// Unpacks an archive; blocking, and bounded by `limits`.
///
/// The rules are those of fluxcd/pkg/tar: symbolic links are skipped, other special entries and paths that leave the
/// root are errors. Of two entries with one path the later wins.
///
/// # Errors
/// See [`UnpackError`].
pub fn unpack(archive: &[u8], limits: UnpackLimits) -> Result<ArtifactTree, UnpackError> {
    let mut plain = Vec::new();
    let mut reader = MultiGzDecoder::new(archive).take(limits.bytes.saturating_add(1));
    reader.read_to_end(&mut plain).map_err(UnpackError::Corrupt)?;
    if plain.len() as u64 > limits.bytes {
        return Err(UnpackError::TooLarge(limits.bytes));
    }
    // It may be kept for long, and has grown by doubling.
    plain.shrink_to_fit();
    let plain = Bytes::from(plain);
    let mut tree = ArtifactTree {
        bytes: plain.len(),
        files: BTreeMap::new(),
    };
    let mut tar = tar::Archive::new(Cursor::new(plain.clone()));
    for (count, entry) in tar.entries().map_err(UnpackError::Corrupt)?.enumerate() {
        if count >= limits.entries {
            return Err(UnpackError::TooManyEntries(limits.entries));
        }
        let entry = entry.map_err(UnpackError::Corrupt)?;
        let kind = entry.header().entry_type();
        let written = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if kind.is_symlink() || kind.is_pax_global_extensions() {
            continue;
        }
        let path = clean(&written).ok_or_else(|| UnpackError::Path(shortened(&written)))?;
        if kind.is_dir() {
            continue;
        }
        if !kind.is_file() || path.is_empty() {
            return Err(UnpackError::Type(shortened(&written)));
        }
        let corrupt = || UnpackError::Corrupt(std::io::ErrorKind::UnexpectedEof.into());
        let start = usize::try_from(entry.raw_file_position()).map_err(|_| corrupt())?;
        let length = usize::try_from(entry.size()).map_err(|_| corrupt())?;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= plain.len())
            .ok_or_else(corrupt)?;
        tree.bytes += path.len() + ENTRY_BYTES;
        tree.files.insert(path, plain.slice(start..end));
    }
    Ok(tree)
}

/// Gives the path without `.` segments; `None` when it is empty, absolute, has a backslash or climbs.
fn clean(path: &str) -> Option<String> {
    if path.is_empty() || path.starts_with('/') || path.contains(['\\', '\0']) {
        return None;
    }
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => return None,
            segment => segments.push(segment),
        }
    }
    Some(segments.join("/"))
}

fn shortened(path: &str) -> String {
    path.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Writes headers by hand, because the tar crate refuses to write hostile paths.
    fn entry(tar: &mut Vec<u8>, path: &str, kind: tar::EntryType, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (path, kind, content) in entries {
            entry(&mut tar, path, *kind, content);
        }
        tar.resize(tar.len() + 1024, 0);
        gzip(&tar)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const FILE: tar::EntryType = tar::EntryType::Regular;

    #[test]
    fn files_are_read_and_links_are_skipped() {
        let archive = archive(&[
            ("./", tar::EntryType::Directory, b""),
            ("./a/b.yaml", FILE, b"one"),
            ("link", tar::EntryType::Symlink, b""),
            ("a//./c.yaml", FILE, b""),
            ("a/b.yaml", FILE, b"two"),
        ]);
        let tree = unpack(&archive, UnpackLimits::default()).unwrap();
        let files: Vec<_> = tree.files().map(|(path, content)| (path, &content[..])).collect();
        assert_eq!(files, [("a/b.yaml", &b"two"[..]), ("a/c.yaml", b"")]);
    }

    #[test]
    fn hostile_entries_are_refused() {
        for path in ["../a", "/etc/passwd", "a/../../b", "a\\b"] {
            let error = unpack(&archive(&[(path, FILE, b"x")]), UnpackLimits::default()).unwrap_err();
            assert!(matches!(error, UnpackError::Path(_)), "{path}: {error}");
        }
        for kind in [tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
            let error = unpack(&archive(&[("a", kind, b"")]), UnpackLimits::default()).unwrap_err();
            assert!(matches!(error, UnpackError::Type(_)), "{kind:?}: {error}");
        }
    }

    #[test]
    fn bombs_stop_at_the_limits() {
        let bomb = gzip(&vec![0; 10 << 20]);
        let limits = UnpackLimits {
            bytes: 1 << 20,
            entries: 2,
        };
        assert!(matches!(unpack(&bomb, limits), Err(UnpackError::TooLarge(_))));
        let many = archive(&[("a", FILE, b""), ("b", FILE, b""), ("c", FILE, b"")]);
        assert!(matches!(
            unpack(&many, limits),
            Err(UnpackError::TooManyEntries(2))
        ));
    }

    #[test]
    fn truncated_and_foreign_bytes_are_errors() {
        let whole = archive(&[("a", FILE, &[7; 4096])]);
        for bytes in [&whole[..whole.len() / 2], b"<html>404</html>", b""] {
            assert!(matches!(
                unpack(bytes, UnpackLimits::default()),
                Err(UnpackError::Corrupt(_))
            ));
        }
        let mut tar = Vec::new();
        entry(&mut tar, "a", FILE, &[1; 2048]);
        assert!(unpack(&gzip(&tar[..1024]), UnpackLimits::default()).is_err());
    }
}

//! Unpacks a gzip-compressed tar archive into memory, within limits.
//!
//! An archive is read twice: once to see what it takes, which needs no memory, whatever it holds; and once to keep the
//! contents of its files, in a buffer of just that size.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flux_archive::{Limits, Metered, Stop, WalkError, walk};
use tar::Entry;

use super::tree::{ArtifactTree, ENTRY_BYTES, TreeFile};

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

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not a gzip stream, truncated, or corrupt.
    #[error("artifact is not a valid tar.gz archive: {0}")]
    Corrupt(#[source] io::Error),
    /// The uncompressed archive is too large.
    #[error(
        "artifact unpacks to more than {0} bytes, raise --artifact-max-unpacked-bytes if that is intended"
    )]
    TooLarge(u64),
    /// There are too many entries.
    #[error("artifact has more than {0} entries, raise --artifact-max-entries if that is intended")]
    TooManyEntries(usize),
    /// The headers of an entry are longer than any name.
    #[error("artifact has an entry whose name or headers are longer than {0} bytes")]
    LongHeaders(u64),
    /// A path would leave the root.
    #[error("artifact entry {0:?} has a path that is absolute, empty or leaves the root")]
    Path(String),
    /// Something else than a file, a directory or a symbolic link.
    #[error("artifact entry {0:?} is neither a regular file nor a directory")]
    Type(String),
}

/// An entry of an archive that comes out of memory.
type File<'e, 'm, 'b> = Entry<'e, Metered<'m, MultiGzDecoder<&'b [u8]>>>;

/// What an archive takes once it is unpacked, and that it is within the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of the contents of all files.
    contents: usize,
    /// Bytes of their paths, and of what leads to the contents.
    index: usize,
}

impl Measured {
    /// Gives the memory that the unpacked archive takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.contents.saturating_add(self.index)
    }
}

/// Reads an archive without keeping anything of it; blocking, and bounded by `limits`.
///
/// The rules are those of fluxcd/pkg/tar: symbolic links are skipped, other special entries and paths that leave the
/// root are errors.
///
/// # Errors
/// See [`UnpackError`].
pub fn measure(archive: &[u8], limits: UnpackLimits) -> Result<Measured, UnpackError> {
    let mut measured = Measured::default();
    read(archive, limits, |path, entry| {
        let announced = entry.size();
        let length = io::copy(entry, &mut io::sink())?;
        if length < announced {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(length).map_err(io::Error::other)?;
        measured.contents += length;
        measured.index += path.len() + ENTRY_BYTES;
        Ok(())
    })?;
    if measured.bytes() as u64 > limits.bytes {
        return Err(UnpackError::TooLarge(limits.bytes));
    }
    Ok(measured)
}

/// Unpacks an archive that was measured; blocking. Of two entries with one path the later wins.
///
/// # Errors
/// See [`UnpackError`].
pub fn unpack(archive: &[u8], limits: UnpackLimits, measured: Measured) -> Result<ArtifactTree, UnpackError> {
    let mut contents = Vec::with_capacity(measured.contents);
    let mut places = BTreeMap::new();
    read(archive, limits, |path, entry| {
        let executable = entry.header().mode()? & 0o111 != 0;
        let start = contents.len();
        // It is as long as before, unless these are other bytes than were measured.
        let left = measured.contents.saturating_sub(start);
        entry.take(left as u64).read_to_end(&mut contents)?;
        places.insert(path, (start..contents.len(), executable));
        Ok(())
    })?;
    let contents = Bytes::from(contents);
    let file = |(path, (range, executable))| {
        let content = contents.slice(range);
        (path, TreeFile { content, executable })
    };
    let files = places.into_iter().map(file).collect();
    Ok(ArtifactTree::new(files, measured.bytes()))
}

/// Hands each file of an archive to `take`, with its path; all of the archive is read, to its check sum.
fn read(
    archive: &[u8],
    limits: UnpackLimits,
    mut take: impl FnMut(String, &mut File<'_, '_, '_>) -> io::Result<()>,
) -> Result<(), UnpackError> {
    let bounds = Limits {
        bytes: limits.bytes,
        entries: limits.entries,
    };
    let walked = walk(
        MultiGzDecoder::new(archive),
        bounds,
        |entry| match path_of_file(entry).map_err(Stop::Refused)? {
            Some(path) => Ok(take(path, entry)?),
            None => Ok(()),
        },
    );
    walked.map_err(|error| match error {
        WalkError::TooLarge(limit) => UnpackError::TooLarge(limit),
        WalkError::TooMany(limit) => UnpackError::TooManyEntries(limit),
        WalkError::LongHeaders(limit) => UnpackError::LongHeaders(limit),
        WalkError::Read(error) => UnpackError::Corrupt(error),
        WalkError::Refused(error) => error,
    })
}

/// Gives the clean path of a regular file; `None` for what is left out.
fn path_of_file(entry: &File<'_, '_, '_>) -> Result<Option<String>, UnpackError> {
    let kind = entry.header().entry_type();
    if kind.is_symlink() || kind.is_pax_global_extensions() {
        return Ok(None);
    }
    let written = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let path = clean(&written).ok_or_else(|| UnpackError::Path(shortened(&written)))?;
    if kind.is_dir() {
        return Ok(None);
    }
    if !kind.is_file() || path.is_empty() {
        return Err(UnpackError::Type(shortened(&written)));
    }
    Ok(Some(path))
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

    fn both(archive: &[u8], limits: UnpackLimits) -> Result<ArtifactTree, UnpackError> {
        let measured = measure(archive, limits)?;
        let tree = unpack(archive, limits, measured)?;
        assert_eq!(tree.bytes(), measured.bytes());
        Ok(tree)
    }

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
        let tree = both(&archive, UnpackLimits::default()).unwrap();
        let files: Vec<_> = tree
            .files()
            .map(|(path, file)| (path, &file.content[..]))
            .collect();
        assert_eq!(files, [("a/b.yaml", &b"two"[..]), ("a/c.yaml", b"")]);
    }

    #[test]
    fn hostile_entries_are_refused() {
        for path in ["../a", "/etc/passwd", "a/../../b", "a\\b"] {
            let error = both(&archive(&[(path, FILE, b"x")]), UnpackLimits::default()).unwrap_err();
            assert!(matches!(error, UnpackError::Path(_)), "{path}: {error}");
        }
        for kind in [tar::EntryType::Link, tar::EntryType::Char, tar::EntryType::Fifo] {
            let error = both(&archive(&[("a", kind, b"")]), UnpackLimits::default()).unwrap_err();
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
        assert!(matches!(both(&bomb, limits), Err(UnpackError::TooLarge(_))));
        let many = archive(&[("a", FILE, b""), ("b", FILE, b""), ("c", FILE, b"")]);
        assert!(matches!(both(&many, limits), Err(UnpackError::TooManyEntries(2))));
    }

    #[test]
    fn truncated_and_foreign_bytes_are_errors() {
        let whole = archive(&[("a", FILE, &[7; 4096])]);
        for bytes in [&whole[..whole.len() / 2], b"<html>404</html>", b""] {
            assert!(matches!(
                both(bytes, UnpackLimits::default()),
                Err(UnpackError::Corrupt(_))
            ));
        }
        let mut tar = Vec::new();
        entry(&mut tar, "a", FILE, &[1; 2048]);
        assert!(both(&gzip(&tar[..1024]), UnpackLimits::default()).is_err());
    }

    /// An entry of another kind, which says something about the one after it.
    fn about_the_next(tar: &mut Vec<u8>, kind: tar::EntryType, content: &[u8]) {
        entry(tar, "././@LongLink", kind, content);
    }

    #[test]
    fn names_in_headers_of_their_own_are_read_and_bounded() {
        let long = format!("a/{}", "b".repeat(3000));
        let pax = format!("{} path={long}\n", long.len() + "3012 path=\n".len());
        for (kind, content) in [
            (tar::EntryType::GNULongName, format!("{long}\0")),
            (tar::EntryType::XHeader, pax),
        ] {
            let mut tar = Vec::new();
            about_the_next(&mut tar, kind, content.as_bytes());
            entry(&mut tar, "short", FILE, b"content");
            let tree = both(&gzip(&tar), UnpackLimits::default()).unwrap();
            assert_eq!(
                tree.file(&long).map(|content| &content[..]),
                Some(&b"content"[..])
            );
        }
        for kind in [
            tar::EntryType::GNULongName,
            tar::EntryType::GNULongLink,
            tar::EntryType::XHeader,
        ] {
            let mut tar = Vec::new();
            about_the_next(&mut tar, kind, &vec![b'a'; 2 << 20]);
            entry(&mut tar, "short", FILE, b"content");
            let error = both(&gzip(&tar), UnpackLimits::default()).unwrap_err();
            assert!(matches!(error, UnpackError::LongHeaders(_)), "{kind:?}: {error}");
        }
    }

    #[test]
    fn paths_count_towards_what_an_archive_unpacks_to() {
        let content = vec![0; 1000];
        let one = archive(&[("a", FILE, &content)]);
        let measured = measure(&one, UnpackLimits::default()).unwrap();
        assert_eq!(measured.bytes(), 1000 + 1 + ENTRY_BYTES);
        let directories = vec![("d/", tar::EntryType::Directory, &b""[..]); 50];
        let measured = measure(&archive(&directories), UnpackLimits::default()).unwrap();
        assert_eq!(measured, Measured::default());
    }

    #[test]
    fn executable_files_stay_executable() {
        let mut tar = Vec::new();
        entry(&mut tar, "plain", FILE, b"");
        entry(&mut tar, "script", FILE, b"#!/bin/sh");
        let at = tar.len() - 1024;
        let mut header = tar::Header::from_byte_slice(&tar[at..at + 512]).clone();
        header.set_mode(0o755);
        header.set_cksum();
        tar[at..at + 512].copy_from_slice(header.as_bytes());
        let tree = both(&gzip(&tar), UnpackLimits::default()).unwrap();
        let executable: Vec<_> = tree.files().map(|(path, file)| (path, file.executable)).collect();
        assert_eq!(executable, [("plain", false), ("script", true)]);
    }

    #[test]
    fn what_follows_the_archive_counts_too() {
        let mut tar = Vec::new();
        entry(&mut tar, "a", FILE, b"x");
        tar.resize(2 << 20, 0);
        let limits = UnpackLimits {
            bytes: 1 << 20,
            entries: 2,
        };
        assert!(matches!(both(&gzip(&tar), limits), Err(UnpackError::TooLarge(_))));
    }
}

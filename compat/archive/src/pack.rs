//! The two hashes of an archive: that of its content, and that of the bytes as served.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::{Algorithm, ArchiveError, File, Hasher, TarWriter, tree};

/// What is known of an archive after it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// SHA-256 of the uncompressed archive, in hex: the same files have the same, whatever compresses them.
    pub content: String,
    /// Algorithm of the digest.
    pub algorithm: Algorithm,
    /// Digest of the bytes as written, in hex.
    pub hex: String,
    /// How many bytes were written.
    pub size: u64,
}

/// Gives the SHA-256 of the uncompressed archive of some files, in hex, without compressing anything.
///
/// # Errors
/// See [`ArchiveError`]; there is nothing to write.
pub fn content_hash(files: Vec<File<'_>>) -> Result<String, ArchiveError> {
    let mut tar = TarWriter::new(Hashing::new(Algorithm::Sha256, io::sink()));
    tree::write(files, &mut tar)?;
    Ok(tar.finish()?.hasher.finish())
}

/// Gives the SHA-256 of what a gzip stream holds, in hex, and how many bytes that is; for archives that are there already.
///
/// # Errors
/// What `compressed` says, a stream that is none, or more than `limit` bytes.
pub fn content_hash_of(compressed: impl Read, limit: u64) -> io::Result<(String, u64)> {
    let mut hashing = Hashing::new(Algorithm::Sha256, io::sink());
    let mut plain = MultiGzDecoder::new(compressed).take(limit.saturating_add(1));
    let bytes = io::copy(&mut plain, &mut hashing)?;
    if bytes > limit {
        return Err(io::Error::other(format!("it unpacks to more than {limit} bytes")));
    }
    Ok((hashing.hasher.finish(), bytes))
}

/// Writes the compressed archive of some files to `out`, and gives that back.
///
/// # Errors
/// See [`ArchiveError`].
pub fn pack<W: Write>(
    files: Vec<File<'_>>,
    algorithm: Algorithm,
    out: W,
) -> Result<(Packed, W), ArchiveError> {
    let served = Hashing::new(algorithm, out);
    // The header is that of stock: no name, no time, and nothing about the system.
    let gzip: GzEncoder<_> = GzBuilder::new()
        .operating_system(255)
        .write(served, Compression::new(6));
    let mut tar = TarWriter::new(Hashing::new(Algorithm::Sha256, gzip));
    tree::write(files, &mut tar)?;
    let plain = tar.finish()?;
    let mut served = plain.out.finish()?;
    served.flush()?;
    let packed = Packed {
        content: plain.hasher.finish(),
        algorithm,
        hex: served.hasher.finish(),
        size: served.bytes,
    };
    Ok((packed, served.out))
}

/// Hashes and counts what it passes on.
struct Hashing<W> {
    hasher: Hasher,
    bytes: u64,
    out: W,
}

impl<W> Hashing<W> {
    fn new(algorithm: Algorithm, out: W) -> Self {
        Self {
            hasher: Hasher::new(algorithm),
            bytes: 0,
            out,
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [File<'static>; 2] = [
        File {
            path: "bin/run.sh",
            content: b"#!/bin/sh\necho hello\n",
            executable: true,
        },
        File {
            path: "app.yaml",
            content: b"kind: Namespace\n",
            executable: false,
        },
    ];

    #[test]
    fn both_hashes_are_those_of_what_was_written() {
        let (packed, archive) = pack(FILES.to_vec(), Algorithm::Blake3, Vec::new()).expect("memory");
        assert_eq!(packed.size, archive.len() as u64);
        assert_eq!(packed.hex, blake3::hash(&archive).to_hex().to_string());
        assert_eq!(packed.content, content_hash(FILES.to_vec()).expect("clean paths"));
        let (content, plain) = content_hash_of(&archive[..], 1 << 20).expect("gzip");
        assert_eq!(packed.content, content);
        assert_eq!(plain % 512, 0);
        assert!(content_hash_of(&archive[..], plain - 1).is_err());
        assert!(content_hash_of(&archive[..archive.len() - 9], 1 << 20).is_err());
    }

    /// Another compressor makes other bytes: what is stored stays as it is, but that is a decision and no accident.
    #[test]
    fn the_compressor_is_the_one_that_was_chosen() {
        let (packed, archive) = pack(FILES.to_vec(), Algorithm::Sha256, Vec::new()).expect("memory");
        assert_eq!(&archive[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        assert_eq!(
            packed.hex,
            "1dac2bec8b0d2779eb49918b7259941eed2aa67e54935ab5a4ce52f89f2cca92"
        );
    }
}

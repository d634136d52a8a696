//! What is written down about a stored file, beside it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use flux_archive::{Algorithm, Hasher, content_hash_of};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The present form of records; one of another form is made anew.
const VERSION: u32 = 1;
/// Bytes of a file that are read at once.
const PIECE: usize = 64 << 10;

/// What is known of a stored file without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    version: u32,
    /// Digest of the file, `algorithm:hex`.
    pub(crate) digest: String,
    /// SHA-256 of the uncompressed archive, in hex.
    pub(crate) content: String,
    pub(crate) size: u64,
    /// When this content was first published.
    pub(crate) published: Timestamp,
    /// When another took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) superseded: Option<Timestamp>,
}

impl Record {
    pub(crate) fn new(digest: String, content: String, size: u64, published: Timestamp) -> Self {
        Self {
            version: VERSION,
            digest,
            content,
            size,
            published,
            superseded: None,
        }
    }

    /// Reads a record; `None` for one that says nothing about this file.
    pub(crate) fn read(path: &Path, file: &str, size: u64) -> Option<Self> {
        let record: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        let (_, hex) = record.digest.split_once(':')?;
        let matches = record.version == VERSION && record.size == size && hex == hex_of(file);
        matches.then_some(record)
    }

    /// Makes a record of a file that has none; `None` when the file is not what its name says.
    pub(crate) fn of_file(path: &Path, file: &str, limit: u64) -> io::Result<Option<Self>> {
        let bytes = std::fs::read(path)?;
        let Some(algorithm) = algorithm_of(file, &bytes) else {
            return Ok(None);
        };
        let Ok((content, _)) = content_hash_of(&bytes[..], limit) else {
            return Ok(None);
        };
        let digest = format!("{algorithm}:{}", hex_of(file));
        let published = std::fs::metadata(path)?.modified().ok();
        let published = published.and_then(|time| Timestamp::try_from(time).ok());
        let published = published.unwrap_or_else(Timestamp::now);
        Ok(Some(Self::new(digest, content, bytes.len() as u64, published)))
    }

    pub(crate) fn to_json(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }
}

/// The digest in a file's name.
pub(crate) fn hex_of(file: &str) -> &str {
    file.split('.').next().unwrap_or_default()
}

/// The algorithm by which some bytes have the digest in a file's name, if there is one.
fn algorithm_of(file: &str, bytes: &[u8]) -> Option<Algorithm> {
    use Algorithm::{Blake3, Sha256, Sha384, Sha512};
    [Sha256, Sha384, Sha512, Blake3]
        .into_iter()
        .find(|algorithm| hash(*algorithm, bytes) == hex_of(file))
}

/// The digest of some bytes in hex.
pub(crate) fn hash(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Whether a digest is that of a file, which is read piece by piece; blocks.
pub(crate) fn matches(digest: &str, path: &Path) -> io::Result<bool> {
    let found = digest
        .split_once(':')
        .and_then(|(algorithm, hex)| Some((algorithm.parse().ok()?, hex)));
    let Some((algorithm, hex)) = found else {
        return Ok(false);
    };
    let (mut file, mut hasher) = (File::open(path)?, Hasher::new(algorithm));
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish() == hex),
            length => hasher.update(piece.get(..length).unwrap_or_default()),
        }
    }
}

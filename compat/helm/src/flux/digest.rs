//! Digests as helm-controller computes them: `algorithm:hex` over a text that has no other use.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use sha2::Digest as _;

use crate::go_json;

/// How a digest is computed; those that Flux knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-2 of 256 bits, which is what stock writes.
    #[default]
    Sha256,
    /// SHA-2 of 384 bits.
    Sha384,
    /// SHA-2 of 512 bits.
    Sha512,
    /// BLAKE3 of 256 bits.
    Blake3,
    /// SHA-1, which old versions wrote without its name.
    Sha1,
}

impl Algorithm {
    /// The name before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
            Self::Sha1 => "sha1",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
            Self::Sha1 => 40,
        }
    }
}

/// A name that is no algorithm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported digest algorithm")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let all = [Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3, Self::Sha1];
        all.into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or(UnknownAlgorithm)
    }
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// It is not of the form `algorithm:hex`.
    #[error("invalid checksum digest format")]
    Format,
    /// The algorithm is not known.
    #[error("unsupported digest algorithm")]
    Algorithm,
    /// The hex digits are too many or too few.
    #[error("invalid checksum digest length")]
    Length,
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let (name, hex) = text.split_once(':').ok_or(InvalidDigest::Format)?;
        let is_name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+._-".contains(&byte);
        let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"=_-".contains(&byte);
        if name.is_empty() || hex.is_empty() || !name.bytes().all(is_name) || !hex.bytes().all(is_encoded) {
            return Err(InvalidDigest::Format);
        }
        let algorithm: Algorithm = name.parse().map_err(|_| InvalidDigest::Algorithm)?;
        if hex.len() != algorithm.hex_length() {
            return Err(InvalidDigest::Length);
        }
        if !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidDigest::Format);
        }
        Ok(Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl Digest {
    /// The digest of bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest of a value that is written as Go's JSON with a newline, such as `spec.postRenderers`.
    pub fn of_json<T: Serialize + ?Sized>(algorithm: Algorithm, value: &T) -> serde_json::Result<Self> {
        let mut hasher = Hasher::new(algorithm);
        go_json::write(&mut hasher, value)?;
        hasher.update(b"\n");
        Ok(hasher.finish())
    }

    /// The digest of values: of their YAML with sorted keys, or of nothing if there are none.
    pub fn of_values(algorithm: Algorithm, values: &Map<String, Json>) -> Result<Self, go_yaml::Error> {
        if values.is_empty() {
            return Ok(Self::of(algorithm, b""));
        }
        let text = go_yaml::sigs::bytewise_to_string(&Json::Object(values.clone()))?;
        Ok(Self::of(algorithm, text.as_bytes()))
    }

    /// How it was computed; what it is compared with has to be computed in the same way.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The hex digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

/// Whether a digest in a status, of any algorithm, is that of the values.
pub fn verify_values(digest: &str, values: &Map<String, Json>) -> bool {
    let Ok(digest) = digest.parse::<Digest>() else {
        return false;
    };
    Digest::of_values(digest.algorithm, values).is_ok_and(|found| found == digest)
}

/// A digest that is being computed.
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
    Sha1(sha1::Sha1),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => Self::Blake3(Box::new(blake3::Hasher::new())),
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => {
                hasher.update(bytes);
            }
            Self::Sha1(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        let (algorithm, hex) = match self {
            Self::Sha256(hasher) => (Algorithm::Sha256, hex(&hasher.finalize())),
            Self::Sha384(hasher) => (Algorithm::Sha384, hex(&hasher.finalize())),
            Self::Sha512(hasher) => (Algorithm::Sha512, hex(&hasher.finalize())),
            Self::Blake3(hasher) => (Algorithm::Blake3, hex(hasher.finalize().as_bytes())),
            Self::Sha1(hasher) => (Algorithm::Sha1, hex(&hasher.finalize())),
        };
        Digest { algorithm, hex }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_digested_as_sorted_yaml() {
        let values = serde_json::json!({
            "replicas": 3.0,
            "image": {"tag": "latest", "repository": "nginx"},
            "ports": [{"protocol": "TCP", "port": 8080}, {"port": 9090, "protocol": "UDP"}],
        });
        let want = "sha256:fcdc2b0de1581a3633ada4afee3f918f6eaa5b5ab38c3fef03d5b48d3f85d9f6";
        assert!(verify_values(want, values.as_object().unwrap()));
        assert!(!verify_values(want, &Map::new()));
        assert!(!verify_values("", &Map::new()));
    }

    #[test]
    fn digests_are_read_as_they_are_written() {
        for (algorithm, length) in [
            (Algorithm::Sha256, 64),
            (Algorithm::Sha384, 96),
            (Algorithm::Sha512, 128),
            (Algorithm::Blake3, 64),
            (Algorithm::Sha1, 40),
        ] {
            let digest = Digest::of(algorithm, b"hello");
            assert_eq!(digest.hex().len(), length);
            assert_eq!(digest.to_string().parse(), Ok(digest));
        }
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            Digest::of(Algorithm::Sha256, b"").to_string(),
            format!("sha256:{none}")
        );
        for (text, error) in [
            ("", InvalidDigest::Format),
            (none, InvalidDigest::Format),
            ("md5:abc", InvalidDigest::Algorithm),
            ("sha256:abc", InvalidDigest::Length),
            (&format!("sha256:{}", none.to_uppercase()), InvalidDigest::Format),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{text}");
        }
    }
}

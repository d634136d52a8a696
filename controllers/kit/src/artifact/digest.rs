//! Digests of artifacts: `algorithm:hex` over the bytes as served.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A digest that Flux writes: sha256, sha384, sha512 or blake3, in lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
    Blake3,
}

/// A digest that cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "artifact digest {0:?} is not valid, it must be sha256, sha384, sha512 or blake3 and a hex string of that length"
)]
pub struct DigestError(String);

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads a digest; without an algorithm it is sha256, as in fluxcd/pkg/http/fetch.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let invalid = || DigestError(text.chars().take(200).collect());
        let (algorithm, hex) = text.split_once(':').unwrap_or(("sha256", text));
        let (algorithm, bytes) = match algorithm {
            "sha256" => (Algorithm::Sha256, 32),
            "sha384" => (Algorithm::Sha384, 48),
            "sha512" => (Algorithm::Sha512, 64),
            "blake3" => (Algorithm::Blake3, 32),
            _ => return Err(invalid()),
        };
        let valid =
            hex.len() == bytes * 2 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if valid {
            Ok(Self {
                algorithm,
                hex: hex.to_owned(),
            })
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        };
        write!(f, "{algorithm}:{}", self.hex)
    }
}

impl Digest {
    /// Computes the sha256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::Sha256,
            hex: encode(&Sha256::digest(bytes)),
        }
    }

    /// Tells whether `bytes` have this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let found = match self.algorithm {
            Algorithm::Sha256 => encode(&Sha256::digest(bytes)),
            Algorithm::Sha384 => encode(&Sha384::digest(bytes)),
            Algorithm::Sha512 => encode(&Sha512::digest(bytes)),
            Algorithm::Blake3 => blake3::hash(bytes).to_hex().to_string(),
        };
        found == self.hex
    }
}

fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn reads_and_verifies_digests() {
        for text in [HELLO.to_owned(), format!("sha256:{HELLO}")] {
            let digest: Digest = text.parse().unwrap();
            assert_eq!(digest.to_string(), format!("sha256:{HELLO}"));
            assert!(digest.matches(b"hello"));
            assert!(!digest.matches(b"hello!"));
        }
        assert_eq!(Digest::sha256(b"hello").to_string(), format!("sha256:{HELLO}"));
        let blake: Digest = format!("blake3:{}", blake3::hash(b"hello").to_hex())
            .parse()
            .unwrap();
        assert!(blake.matches(b"hello"));
    }

    #[test]
    fn refuses_what_it_cannot_verify() {
        for text in [
            "",
            "sha256:",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            "sha256:xyz",
            &HELLO.to_uppercase(),
            "a:b:c",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}

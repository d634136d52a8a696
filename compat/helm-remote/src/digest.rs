//! Digests of what is fetched.

use std::fmt::Write as _;

use sha2::Digest as _;

use crate::FetchError;

/// Compares what was fetched with its digest.
pub(crate) fn check_digest(place: &str, bytes: &[u8], wanted: &str) -> Result<(), FetchError> {
    let found = sha256(bytes);
    if found == wanted {
        return Ok(());
    }
    Err(FetchError::Digest {
        place: place.to_owned(),
        found,
        wanted: wanted.to_owned(),
    })
}

/// The digest of some bytes, with its algorithm.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in sha2::Sha256::digest(bytes) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_another_digest_is_refused() {
        let digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), digest);
        assert_eq!(check_digest("a.tgz", b"abc", digest), Ok(()));
        let error = check_digest("a.tgz", b"abd", digest).unwrap_err().to_string();
        assert!(error.starts_with("a.tgz: the digest is sha256:"), "{error}");
        assert!(error.ends_with(&format!("and not {digest}")), "{error}");
    }
}

//! Whether an archive is the one that somebody signed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use openpgp::{ClearSigned, KeyRing, VerifyError};
use serde::Deserialize;

use crate::digest::sha256;

/// Most bytes of a ring of keys, and of a signature; Helm has no such limits.
const MAX_RING: u64 = 16 << 20;
/// Most bytes of a signature with the metadata that it is about.
const MAX_PROVENANCE: usize = 4 << 20;

/// Why an archive is not taken for the signed one; the words are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// The ring of keys cannot be read.
    #[error("failed to load keyring: {0}")]
    Ring(String),
    /// There is no signed text.
    #[error("signature block not found")]
    NotSigned,
    /// The signature does not count.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// The signed text has no second part.
    #[error("message block must have at least two parts")]
    OnePart,
    /// The second part is no list of files.
    #[error("{0}")]
    Files(String),
    /// The archive is not among the files.
    #[error("provenance does not contain a SHA for a file named {}", go_std::quote(.0))]
    OtherFile(String),
    /// The archive is another one.
    #[error("sha256 sum does not match for {name}: {} != {}", go_std::quote(.signed), go_std::quote(.found))]
    OtherSum {
        /// The archive.
        name: String,
        /// What was signed.
        signed: String,
        /// What it is.
        found: String,
    },
}

/// Verifies that an archive of a name is the one that a provenance file is about, signed by a key of a ring.
pub fn verify(archive: &[u8], name: &str, provenance: &[u8], ring: &Path) -> Result<(), ProvenanceError> {
    let ring = read_ring(ring)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    verify_with(
        archive,
        name,
        provenance,
        &ring,
        now.map_or(0, |now| now.as_secs()),
    )
}

fn read_ring(path: &Path) -> Result<KeyRing, ProvenanceError> {
    let failed = |error: &std::io::Error| {
        let error = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            _ => error.to_string(),
        };
        ProvenanceError::Ring(format!("open {}: {error}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > MAX_RING {
        return Err(ProvenanceError::Ring(format!(
            "{}: larger than the maximum size {MAX_RING}",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    KeyRing::read(&bytes).map_err(|error| ProvenanceError::Ring(error.to_string()))
}

fn verify_with(
    archive: &[u8],
    name: &str,
    provenance: &[u8],
    ring: &KeyRing,
    now: u64,
) -> Result<(), ProvenanceError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sums {
        files: Option<BTreeMap<String, String>>,
    }
    if provenance.len() > MAX_PROVENANCE {
        return Err(ProvenanceError::Files(format!(
            "the provenance is larger than the maximum size {MAX_PROVENANCE}"
        )));
    }
    let message = ClearSigned::decode(provenance).ok_or(ProvenanceError::NotSigned)?;
    ring.verify(&message, now)?;
    let sums = second_part(&message.text).ok_or(ProvenanceError::OnePart)?;
    let bad = |error: String| ProvenanceError::Files(error);
    let sums = go_yaml::sigs::to_value(sums, &go_yaml::Limits::default())
        .map_err(|error| bad(format!("error converting YAML to JSON: {error}")))?;
    let sums: Option<Sums> = serde_json::from_value(sums).map_err(|error| bad(error.to_string()))?;
    let files = sums.unwrap_or_default().files.unwrap_or_default();
    let Some(signed) = files.get(name) else {
        return Err(ProvenanceError::OtherFile(name.to_owned()));
    };
    let found = sha256(archive);
    if *signed == found {
        return Ok(());
    }
    Err(ProvenanceError::OtherSum {
        name: name.to_owned(),
        signed: signed.clone(),
        found,
    })
}

/// What stands between the end of the first document and that of the second.
fn second_part(text: &[u8]) -> Option<&[u8]> {
    const END: &[u8] = b"\n...\n";
    let end_in = |text: &[u8]| text.windows(END.len()).position(|window| window == END);
    let second = text.get(end_in(text)? + END.len()..)?;
    Some(end_in(second).and_then(|end| second.get(..end)).unwrap_or(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charts that GnuPG has signed, on 2 January 2020.
    const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../helm/cases/verify");
    const NOW: u64 = 1_600_000_000;

    #[test]
    fn only_the_signed_archive_is_taken() {
        let ring = read_ring(&Path::new(CASES).join("ring.gpg")).unwrap();
        let name = "signed-1.0.0.tgz";
        let read = |case: &str, name: &str| fs::read(format!("{CASES}/{case}/{name}")).unwrap();
        let check = |case: &str, archive: &[u8], name: &str| {
            let provenance = read(case, "signed-1.0.0.tgz.prov");
            verify_with(archive, name, &provenance, &ring, NOW)
        };
        let archive = read("rsa", name);
        assert_eq!(check("rsa", &archive, name), Ok(()));
        assert!(matches!(
            check("rsa", b"other", name),
            Err(ProvenanceError::OtherSum { .. })
        ));
        assert_eq!(
            check("rsa", &archive, "other-1.0.0.tgz"),
            Err(ProvenanceError::OtherFile("other-1.0.0.tgz".to_owned()))
        );
        let error = check("wrong-key", &archive, name).unwrap_err();
        assert!(matches!(error, ProvenanceError::Signature(_)), "{error}");
        assert_eq!(error.to_string(), "openpgp: signature made by unknown entity");
    }

    #[test]
    fn the_second_part_is_the_one_that_counts() {
        for (text, part) in [
            ("a\n...\nb", Some("b")),
            ("a\n...\nb\n...\nc", Some("b")),
            ("a\n...\n", Some("")),
            ("a\n...", None),
            ("", None),
        ] {
            assert_eq!(second_part(text.as_bytes()), part.map(str::as_bytes), "{text:?}");
        }
    }
}

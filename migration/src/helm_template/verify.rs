//! Whether the archive of a chart on disk is the one that somebody signed.

use std::fs;
use std::path::Path;

use helm::Limits;
use helm_remote::ProvenanceError;

use super::chart_source::read_bounded;
use crate::go_message::go_message;

/// Most bytes of a signature with the metadata that it is about; Helm has no such limit.
const MAX_PROVENANCE: u64 = 4 << 20;

/// Why a chart on disk is not taken for a signed one; the words are Helm's.
#[derive(Debug, thiserror::Error)]
pub enum VerifyChartError {
    /// A folder has no signature.
    #[error("unpacked charts cannot be verified")]
    Folder,
    /// It is no archive, by its name.
    #[error("chart must be a tgz file")]
    NotTgz,
    /// There is no file with its signature.
    #[error("could not load provenance file {path}: stat {path}: {error}")]
    NoProvenance {
        /// Where it should be.
        path: String,
        /// What the system says.
        error: String,
    },
    /// A file cannot be read.
    #[error("failed to read {what}: open {path}: {error}")]
    Read {
        /// What it is.
        what: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        error: String,
    },
    /// It is not the signed one.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
}

/// Verifies an archive by the file with its signature, which lies beside it; what was verified is what is to be used.
pub(crate) fn verify_on_disk(path: &Path, ring: &Path, limits: &Limits) -> Result<Vec<u8>, VerifyChartError> {
    if path.is_dir() {
        return Err(VerifyChartError::Folder);
    }
    let is_tgz = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tgz"));
    if !is_tgz {
        return Err(VerifyChartError::NotTgz);
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".prov");
    let beside = Path::new(&beside);
    if let Err(error) = fs::metadata(beside) {
        return Err(VerifyChartError::NoProvenance {
            path: beside.display().to_string(),
            error: go_message(&error),
        });
    }
    let read = |what, path: &Path, max| {
        read_bounded(path, max).map_err(|error| VerifyChartError::Read {
            what,
            path: path.display().to_string(),
            error: go_message(&error),
        })
    };
    // Helm allows no more than this unpacked.
    let archive = read("chart archive", path, limits.chart_bytes)?;
    let provenance = read("provenance file", beside, MAX_PROVENANCE)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    helm_remote::verify(&archive, &name, &provenance, ring)?;
    Ok(archive)
}

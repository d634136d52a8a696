//! The version of a chart whose artifact has a digest: Flux makes the digest a part of it, so that a tag which moves
//! leads to an upgrade.

use sprig::semver::Version;

/// How much of a digest becomes a part of the version.
const SHOWN: usize = 12;

/// Which revisions have a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revisions {
    /// None, or none that counts: those of a HelmChart are versions.
    Versions,
    /// All: those of an OCIRepository.
    Digests,
    /// Those with a colon: those of an ExternalArtifact, and of whatever else makes an artifact.
    Either,
}

/// A chart's version, and the digest that its revision told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The version, with the start of the digest as its metadata.
    pub version: String,
    /// The digest; empty if the revision has none.
    pub digest: String,
}

/// Why a chart and the revision of its artifact do not go together, in Flux's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartVersionError {
    /// The chart has no semantic version.
    #[error("invalid chart version {0}")]
    Chart(String),
    /// The revision is of another version than the chart.
    #[error("artifact revision {revision} does not match chart version {chart}")]
    Mismatch {
        /// The revision, up to its digest.
        revision: String,
        /// The version of the chart.
        chart: String,
    },
    /// The revision should have a digest, and has none.
    #[error("invalid artifact revision {0}")]
    Revision(String),
    /// The digest cannot be a part of a version.
    #[error("{0}")]
    Metadata(#[from] sprig::semver::VersionError),
}

/// Makes the digest in a revision a part of a chart's version.
///
/// # Errors
/// See [`ChartVersionError`].
pub fn track(version: &str, revision: &str, revisions: Revisions) -> Result<Tracked, ChartVersionError> {
    let has_digest = match revisions {
        Revisions::Versions => false,
        Revisions::Digests => true,
        Revisions::Either => revision.contains(':'),
    };
    if !has_digest {
        return Ok(Tracked {
            version: version.to_owned(),
            digest: String::new(),
        });
    }
    let chart = Version::parse(version).map_err(|_| ChartVersionError::Chart(version.to_owned()))?;
    let digest = match tagged_version(revision) {
        Some(tagged) => {
            let (tag, digest) = revision.split_once('@').unwrap_or((revision, ""));
            let is_pair = revision.matches('@').count() == 1;
            if !is_pair || tagged != chart {
                return Err(ChartVersionError::Mismatch {
                    revision: tag.to_owned(),
                    chart: version.to_owned(),
                });
            }
            digest
        }
        None => revision,
    };
    let tracked = chart.with_metadata(start_of(digest)?)?;
    Ok(Tracked {
        version: tracked.to_string(),
        digest: digest.to_owned(),
    })
}

/// The version that a revision begins with; `_` stands for `+`, which a tag cannot hold.
fn tagged_version(revision: &str) -> Option<Version> {
    let version = match revision.split_once('@') {
        Some((tag, _)) => Version::parse(&tag.replace('_', "+")),
        None => Version::parse(revision),
    };
    version.ok()
}

/// The first hex digits of `algorithm:hex`.
fn start_of(digest: &str) -> Result<&str, ChartVersionError> {
    let invalid = || ChartVersionError::Revision(digest.to_owned());
    let (_, hex) = digest.split_once(':').ok_or_else(invalid)?;
    if hex.contains(':') {
        return Err(invalid());
    }
    hex.get(..SHOWN).ok_or_else(invalid)
}

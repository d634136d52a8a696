//! Everything that the next step depends on.

use flux_api::{HelmRelease, HelmReleaseStatus};

use super::ChartIdentity;

/// What is known of a release at one point of a run.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The object, for its spec and its generation.
    pub object: &'a HelmRelease,
    /// Its status as the run has it so far.
    pub status: &'a HelmReleaseStatus,
    /// The last record of the release, if there is one.
    pub stored: Option<Stored>,
    /// The chart that is wanted.
    pub chart: ChartIdentity<'a>,
    /// Whether the values that are wanted are those of the newest snapshot.
    pub same_values: bool,
    /// Digest of `spec.postRenderers`; empty without any.
    pub post_renderers: &'a str,
    /// Digest of `spec.commonMetadata`; empty without any.
    pub common_metadata: &'a str,
    /// How the objects in the cluster differ from the record; nothing as long as nobody has looked.
    pub drift: Option<Drift>,
    /// Whether the release that a rollback would lead to is still there; nothing as long as nobody has looked.
    pub previous: Option<Previous>,
    /// Whether somebody asked for a release even if there is nothing to change.
    pub forced: bool,
    /// Whether failures are retried when the object names no strategy (`--feature-gates=DefaultToRetryOnFailure`).
    pub retry_by_default: bool,
}

/// The last record of a release, as far as the next step depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Helm's status.
    pub status: String,
    /// Name of its chart.
    pub chart_name: String,
    /// Version of its chart.
    pub chart_version: String,
    /// Whether it is what the newest snapshot of the status was taken from.
    pub verification: Verification,
}

/// Whether a record is what a snapshot was taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// It is, or the snapshot is too old to tell.
    #[default]
    Same,
    /// The digest of the snapshot is none.
    Unreadable,
    /// Somebody else has written it.
    Different,
}

impl Verification {
    /// What is wrong, in stock's words.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Same => None,
            Self::Unreadable => Some("release digest verification error"),
            Self::Different => Some("release not observed to be made for object"),
        }
    }
}

/// How the objects in the cluster differ from the last record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Not at all.
    None,
    /// As the summary says, one line per object.
    Some(String),
    /// Nobody knows.
    Unknown(String),
}

/// Whether the record that a rollback would lead to is what its snapshot was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Previous {
    /// It is.
    Verified,
    /// It is not there any more.
    Disappeared,
    /// It is another one by now.
    Changed(Verification),
    /// Nobody knows.
    Unknown(String),
}

impl Stored {
    pub(super) fn is_pending(&self) -> bool {
        matches!(
            self.status.as_str(),
            "pending-install" | "pending-upgrade" | "pending-rollback"
        )
    }
}

//! Why an action failed, in the words of Helm and helm-controller.

use flux_api::DurationError;
use helm::RenderError;

use crate::cluster::{ApplyError, BuildError, Canceled, DiscoveryError, OwnershipError, WaitError};
use crate::storage::StorageError;

/// Why an action failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The spec names a policy for `crds/` that nobody knows.
    #[error("invalid CRD upgrade policy '{0}', valid values are 'Skip', 'Create' or 'CreateReplace'")]
    CrdPolicy(String),
    /// The spec names a way of applying that nobody knows.
    #[error("invalid/unknown release server-side apply method: {0}")]
    ApplyMethod(String),
    /// The spec names a strategy of post-rendering that nobody knows.
    #[error("unknown post-render strategy: '{0}'")]
    PostRenderStrategy(String),
    /// The spec has a duration that is none.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// The cluster does not answer.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// Records cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The name is none that a release can have.
    #[error("release name {0}")]
    Name(String),
    /// There is a release of that name.
    #[error("cannot reuse a name that is still in use")]
    NameInUse,
    /// Somebody is at work on the release.
    #[error("another operation (install/upgrade/rollback) is in progress")]
    Pending,
    /// The release has no such revision.
    #[error("release has no {0} version")]
    NoVersion(i64),
    /// The revision is none.
    #[error("invalid release revision")]
    Version,
    /// The release is uninstalled already.
    #[error("the release named {} is already deleted", gotmpl::quote(.0.as_bytes()))]
    AlreadyDeleted(String),
    /// There is no release.
    #[error("no release provided")]
    NoRelease,
    /// The chart cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The values or dependencies of the chart do not fit together.
    #[error(transparent)]
    Values(#[from] helm::CoalesceError),
    /// The chart's values, as they are to be recorded, cannot be written.
    #[error("cannot write the values of the release: {0}")]
    Config(#[source] serde_json::Error),
    /// New values cannot be laid over those of the release.
    #[error(transparent)]
    Reuse(#[from] helm::ReuseError),
    /// A part of the work that goes on elsewhere came to an unexpected end.
    #[error("the chart could not be rendered: {0}")]
    Interrupted(#[source] tokio::task::JoinError),
    /// A manifest holds what the cluster has no place for.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Objects may not be taken.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
    /// Objects cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Objects do not become what is waited for.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// The action was given up.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// A record that an uninstall needs does not hold objects.
    #[error("corrupted release record. You must manually delete the resources: {0}")]
    Corrupted(#[source] BuildError),
    /// Objects could not be deleted; which ones is in the log.
    #[error("failed to delete release: {0}")]
    Delete(String),
    /// An error, and what was done when it happened.
    #[error("{context}: {error}")]
    During {
        /// What was done.
        context: String,
        /// The error.
        error: Box<ActionError>,
    },
    /// All of these.
    #[error("{}", join(.errors, .separator))]
    Several {
        /// The errors.
        errors: Vec<ActionError>,
        /// What stands between them.
        separator: &'static str,
    },
}

fn join(errors: &[ActionError], separator: &str) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

/// Adds to an error what was done when it happened.
pub(super) trait During<T> {
    fn during(self, context: impl FnOnce() -> String) -> Result<T, ActionError>;
}

impl<T, E: Into<ActionError>> During<T> for Result<T, E> {
    fn during(self, context: impl FnOnce() -> String) -> Result<T, ActionError> {
        self.map_err(|error| ActionError::During {
            context: context(),
            error: Box::new(error.into()),
        })
    }
}

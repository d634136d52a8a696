//! Why a run stops before its end, and what is to become of each reason: the one table.

use std::sync::Arc;

use controller_kit::RestError;
use controller_kit::apply::ApplyError;
use flux_api::{GoDuration, ObjectIdError, reason};
use flux_deployer::fetch::ArtifactError;
use flux_deployer::{ClusterError, Failure, Fate, Halt, Outcome, Refusal, StatusError};
use flux_ignore::IgnoreRuleError;
use tokio::task::JoinError;

use crate::decryption::DecryptionError;
use crate::render::RenderError;

/// Why a run stops.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nothing is wrong: the run is halted.
    Halted(Halt),
    /// The object has to be edited.
    Refused(Refusal),
    /// There is no content.
    Artifact(ArtifactError),
    /// An artifact was not brought into the cluster, or what was applied not dealt with.
    Failed(Problem),
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// `spec.path` is not in the artifact.
    #[error(transparent)]
    Path(RenderError),
    /// The keys are not at hand.
    #[error(transparent)]
    Decryption(#[from] DecryptionError),
    /// The artifact could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The build ended by itself.
    #[error("the build stopped unexpectedly, please report this: {0}")]
    Crashed(#[from] JoinError),
    /// It is not known how to get to the cluster, or the service account cannot be one.
    #[error("{0}")]
    Cluster(Arc<ClusterError>),
    /// Objects were not applied; `changes` lists those that were.
    #[error("{}", with_changes(.error, .changes))]
    Apply {
        /// What went wrong.
        error: Box<ApplyError>,
        /// A line for each object that was changed before.
        changes: String,
        /// Whether it is only about kinds that are on their way.
        coming: bool,
    },
    /// What is to be left alone cannot be read, which is told like a failed apply.
    #[error("{0}\n")]
    Ignore(#[from] IgnoreRuleError),
    /// Nothing may be pruned by an inventory that cannot be read.
    #[error(
        "{0}; nothing was pruned by status.inventory, which has this entry: correct or remove it in the status of the Kustomization"
    )]
    Inventory(ObjectIdError),
    /// Objects that are no longer desired are still there.
    #[error("delete failed, errors: {}", ended(.0))]
    Prune(Vec<String>),
    /// A health check names no API version.
    #[error("unexpected GroupVersion string: {0}")]
    HealthCheck(String),
    /// Objects did not become ready.
    #[error("health check failed after {took}: {detail}")]
    Unhealthy {
        /// After which time.
        took: GoDuration,
        /// Which.
        detail: String,
    },
    /// The end of an object: nothing may be deleted by an inventory that cannot be read.
    #[error(
        "{0}; nothing was deleted by status.inventory, which has this entry: correct or remove it in the status of the Kustomization, or set spec.deletionPolicy: Orphan to let the object go"
    )]
    LastInventory(ObjectIdError),
    /// The end of an object: it is not known whether its service account exists.
    #[error(transparent)]
    LastIdentity(RestError),
    /// The end of an object: it is not known how to get to the cluster that it was brought to, or its service account
    /// cannot be one.
    #[error("{0}")]
    LastCluster(Arc<ClusterError>),
    /// The end of an object: what it applied is still there.
    #[error("pruning for deleted resource failed: delete failed, errors: {}", ended(.0))]
    LastPrune(Vec<String>),
}

impl Problem {
    /// What the conditions give as the reason, and what is to become of it.
    fn fate(&self) -> (&'static str, Fate) {
        match self {
            Self::Path(_) => (reason::ARTIFACT_FAILED, Fate::Retry),
            Self::Decryption(_) | Self::Render(_) | Self::Crashed(_) => (reason::BUILD_FAILED, Fate::Retry),
            Self::Cluster(_) | Self::Inventory(_) | Self::Ignore(_) => {
                (reason::RECONCILIATION_FAILED, Fate::Retry)
            }
            Self::Apply { coming: true, .. } => (reason::RECONCILIATION_FAILED, Fate::RetrySoon),
            Self::Apply { coming: false, .. } => (reason::RECONCILIATION_FAILED, Fate::Retry),
            Self::Prune(_) => (reason::PRUNE_FAILED, Fate::Retry),
            Self::HealthCheck(_) | Self::Unhealthy { .. } => (reason::HEALTH_CHECK_FAILED, Fate::Retry),
            // A namespace, a parent and whoever deletes the object wait for its end.
            Self::LastCluster(_) => (reason::RECONCILIATION_FAILED, Fate::RetrySoon),
            Self::LastInventory(_) | Self::LastIdentity(_) | Self::LastPrune(_) => {
                (reason::PRUNE_FAILED, Fate::RetrySoon)
            }
        }
    }
}

impl Stop {
    /// Gives the reason under which the history keeps it: of what went wrong in the cluster.
    pub(crate) fn history_reason(&self) -> Option<&'static str> {
        let Self::Failed(problem) = self else {
            return None;
        };
        match problem {
            Problem::Apply { .. }
            | Problem::Ignore(_)
            | Problem::Inventory(_)
            | Problem::Prune(_)
            | Problem::HealthCheck(_)
            | Problem::Unhealthy { .. } => Some(problem.fate().0),
            _ => None,
        }
    }

    /// Whether an object may be there although nobody said so: whatever is no refusal may have been done.
    pub(crate) fn leaves_doubt(&self) -> bool {
        let Self::Failed(Problem::Apply { error, .. }) = self else {
            return false;
        };
        let ApplyError::Apply { source, .. } = error.as_ref() else {
            return false;
        };
        // The API server calls it a failure of its own that an object does not fit its type.
        let is_untyped = source
            .to_string()
            .starts_with("failed to create typed patch object");
        !is_untyped && !source.code().is_some_and(|code| (400..500).contains(&code))
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<StatusError> for Stop {
    fn from(error: StatusError) -> Self {
        Self::Halted(error.into())
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

impl From<DecryptionError> for Stop {
    fn from(error: DecryptionError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RenderError> for Stop {
    fn from(error: RenderError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<JoinError> for Stop {
    fn from(error: JoinError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ArtifactError> for Stop {
    fn from(error: ArtifactError) -> Self {
        Self::Artifact(error)
    }
}

impl From<ApplyError> for Stop {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Interrupted => Self::Halted(Halt::Superseded),
            error => Self::Failed(Problem::Apply {
                error: Box::new(error),
                changes: String::new(),
                coming: false,
            }),
        }
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Halted(halt) => halt.into(),
            Stop::Refused(refusal) => Self::Refused(refusal),
            Stop::Artifact(error) => error.into(),
            Stop::Failed(problem) => {
                let (reason, fate) = problem.fate();
                let mut failure = Failure::new(reason, fate, &problem);
                if let Problem::Cluster(error) = &problem {
                    failure.told = Some(format!("failed to build kube client: {error}"));
                }
                if let Problem::Unhealthy { detail, .. } = problem {
                    failure.unhealthy = Some(detail);
                }
                Self::Failed(failure)
            }
        }
    }
}

/// The error first, then what was done before it; every line is ended, as in stock.
fn with_changes(error: &ApplyError, changes: &str) -> String {
    // Stock looks for those before it begins.
    if matches!(error, ApplyError::Encrypted(_)) {
        return error.to_string();
    }
    let end = if changes.is_empty() { "" } else { "\n" };
    format!("{error}\n{changes}{end}")
}

/// All errors, each ended by a semicolon, as in stock.
fn ended(errors: &[String]) -> String {
    let mut text = errors.join(";");
    text.push(';');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flux_api::InventoryEntry;

    use super::*;

    #[test]
    fn every_reason_to_stop_has_one_fate() {
        let odd = InventoryEntry {
            id: "odd".into(),
            version: "v1".into(),
        };
        let unreadable = || odd.object_id().unwrap_err();
        let refused = || RestError::Request("no".into());
        let apply = |coming| Problem::Apply {
            error: Box::new(ApplyError::NotReady("CustomResourceDefinition/a".into())),
            changes: "ConfigMap/apps/a created".into(),
            coming,
        };
        let took = GoDuration::from(Duration::from_secs(30));
        let detail = || "timeout waiting for: [Deployment/apps/web]".to_owned();
        let gone = || {
            vec![
                "ConfigMap/apps/a: no".to_owned(),
                "ConfigMap/apps/b: no".to_owned(),
            ]
        };
        let rows = [
            (
                Problem::Decryption(DecryptionError::Missing("keys".into())),
                "BuildFailed",
                Fate::Retry,
                false,
            ),
            (
                Problem::Path(RenderError::Path("/x".into())),
                "ArtifactFailed",
                Fate::Retry,
                false,
            ),
            (
                Problem::Render(RenderError::Path("/x".into())),
                "BuildFailed",
                Fate::Retry,
                false,
            ),
            (
                Problem::Cluster(Arc::new(refused().into())),
                "ReconciliationFailed",
                Fate::Retry,
                false,
            ),
            (apply(false), "ReconciliationFailed", Fate::Retry, true),
            (apply(true), "ReconciliationFailed", Fate::RetrySoon, true),
            (
                Problem::Inventory(unreadable()),
                "ReconciliationFailed",
                Fate::Retry,
                true,
            ),
            (Problem::Prune(gone()), "PruneFailed", Fate::Retry, true),
            (
                Problem::HealthCheck("a/b/c".into()),
                "HealthCheckFailed",
                Fate::Retry,
                true,
            ),
            (
                Problem::Unhealthy {
                    took,
                    detail: detail(),
                },
                "HealthCheckFailed",
                Fate::Retry,
                true,
            ),
            (
                Problem::LastInventory(unreadable()),
                "PruneFailed",
                Fate::RetrySoon,
                false,
            ),
            (
                Problem::LastIdentity(refused()),
                "PruneFailed",
                Fate::RetrySoon,
                false,
            ),
            (
                Problem::LastCluster(Arc::new(refused().into())),
                "ReconciliationFailed",
                Fate::RetrySoon,
                false,
            ),
            (Problem::LastPrune(gone()), "PruneFailed", Fate::RetrySoon, false),
        ];
        for (problem, reason, fate, is_history) in rows {
            let text = problem.to_string();
            let unhealthy = matches!(problem, Problem::Unhealthy { .. }).then(detail);
            let stop = Stop::from(problem);
            let history = is_history.then_some(reason);
            assert_eq!(stop.history_reason(), history, "{text}");
            let Outcome::Failed(failure) = stop.into() else {
                panic!("{text} is a failure");
            };
            let found = (failure.reason, failure.fate, failure.unhealthy);
            assert_eq!(found, (reason, fate, unhealthy), "{text}");
            assert_eq!(failure.message, text);
        }
    }

    #[test]
    fn what_was_done_follows_what_went_wrong() {
        let problem = |changes: &str| Problem::Apply {
            error: Box::new(ApplyError::NotReady("boom".into())),
            changes: changes.into(),
            coming: false,
        };
        let alone = format!("{}\n", ApplyError::NotReady("boom".into()));
        assert_eq!(problem("").to_string(), alone);
        assert!(
            problem("ConfigMap/apps/a created")
                .to_string()
                .ends_with("boom\nConfigMap/apps/a created\n")
        );
    }
}

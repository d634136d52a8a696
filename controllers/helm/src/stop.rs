//! Why a run stops before it gets to the release, or ends as it does, and what is to become of each: the one table.

use std::sync::Arc;
use std::time::Duration;

use controller_kit::RestError;
use controller_kit::events::Severity;
use flux_api::{ConditionStatus, ConditionsExt, GoDuration, READY, RECONCILING, STALLED, reason};
use flux_deployer::fetch::ArtifactError;
use flux_deployer::{ClusterError, Conclusion, Halt, Next, Outcome, Refusal, Run, StatusError, TERMINAL};
use helm::LoadError;
use helm::chart_version::ChartVersionError;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::kind::Helm;
use crate::machine::Ending;
use crate::values::ValuesError;

/// What stock says before anything else is known to be wrong.
pub(crate) const PREREQUISITES: &str = "Fulfilling prerequisites";

/// Why a run does not get to the release.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// Nothing is wrong: the run is halted.
    #[error("halted")]
    Halted(Halt),
    /// The object has to be edited.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// A dependency is not ready.
    #[error("{0}")]
    Dependency(String),
    /// The source has no artifact that can be used.
    #[error("{0}")]
    Source(String),
    /// The HelmChart could not be made or deleted.
    #[error("{0}")]
    HelmChart(String),
    /// The values could not be composed.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// The artifact has no file at the moment.
    #[error("Source not ready: artifact not found. Retrying in {0}")]
    NoFile(GoDuration),
    /// The artifact could not be downloaded or verified.
    #[error(transparent)]
    Artifact(ArtifactError),
    /// The artifact is no chart.
    #[error(transparent)]
    Chart(#[from] LoadError),
    /// The chart could not be loaded, because the process ends or because of a bug.
    #[error("loading the chart stopped unexpectedly, please report this: {0}")]
    Crashed(#[from] tokio::task::JoinError),
    /// The chart and the revision of its artifact do not go together.
    #[error(transparent)]
    Version(#[from] ChartVersionError),
    /// It is not known how to get to the cluster, or the service account cannot be one.
    #[error("{}", error_text(.0))]
    Cluster(Arc<ClusterError>),
    /// The values, or what is done to manifests, have no digest.
    #[error("{0}")]
    Digest(String),
    /// The end of an object: it is not known how to get to the cluster that its release is in.
    #[error("failed to build REST client getter to uninstall release: {}", error_text(.0))]
    LastCluster(Arc<ClusterError>),
    /// The end of an object: it is not known whether its service account exists.
    #[error("failed to confirm ServiceAccount '{account}' can be used to uninstall release: {error}")]
    LastIdentity {
        /// The account.
        account: String,
        /// What the API server answered.
        error: RestError,
    },
    /// A release that is not wanted any more is still there; the status says why.
    #[error("{0}")]
    Uninstall(String),
}

/// What a reason to stop means.
struct Fate {
    /// Reason of `Ready`; nothing if it says why already, or stays what it is.
    reason: Option<&'static str>,
    /// What goes before the text of `Ready`.
    prefix: &'static str,
    /// Whether there is an event.
    event: bool,
    next: Next,
}

impl Stop {
    fn fate(&self, look_again: Duration) -> Fate {
        let fate = |reason, event, next| Fate {
            reason: Some(reason),
            prefix: "",
            event,
            next,
        };
        match self {
            // Never asked: these have outcomes of their own.
            Self::Halted(_) | Self::Refused(_) => fate(reason::RECONCILE_ERROR, false, Next::Event),
            Self::Dependency(_) => fate(reason::DEPENDENCY_NOT_READY, false, Next::After(look_again)),
            Self::Source(_) => fate(reason::SOURCE_NOT_READY, false, Next::Around(look_again)),
            Self::NoFile(_) => fate(reason::ARTIFACT_FAILED, false, Next::After(look_again)),
            Self::Values(_) => fate(reason::VALUES_ERROR, true, Next::Backoff),
            Self::Artifact(_) | Self::Chart(_) | Self::Crashed(_) => Fate {
                prefix: "Could not load chart: ",
                ..fate(reason::ARTIFACT_FAILED, true, Next::Backoff)
            },
            Self::Version(_) => fate(reason::CHART_MUTATE_ERROR, false, Next::Backoff),
            Self::Cluster(_) => fate(reason::REST_CLIENT_ERROR, false, Next::Backoff),
            Self::Digest(_) => fate(reason::RECONCILE_ERROR, false, Next::Backoff),
            Self::LastIdentity { .. } | Self::LastCluster(_) => {
                fate(reason::UNINSTALL_FAILED, false, Next::Backoff)
            }
            Self::HelmChart(_) | Self::Uninstall(_) => Fate {
                reason: None,
                prefix: "",
                event: false,
                next: Next::Backoff,
            },
        }
    }

    /// Writes what it means into the status, and tells everybody.
    pub(crate) fn conclude(self, run: &mut Run<'_, Helm>) -> Outcome {
        match self {
            Self::Halted(halt) => return halt.into(),
            Self::Refused(refusal) => return refused(run, &refusal),
            _ => {}
        }
        let text = self.to_string();
        let fate = self.fate(run.context.settings.requeue_dependency);
        let is_wait = matches!(self, Self::Dependency(_) | Self::Source(_) | Self::NoFile(_));
        if is_wait {
            tracing::info!("{text}");
        } else {
            tracing::error!(error = text, "Reconciler error");
        }
        if let Some(reason) = fate.reason {
            let mut conditions = Writer::of(run);
            // It goes on, whatever has stalled it before.
            conditions.remove(STALLED);
            conditions.set(
                RECONCILING,
                ConditionStatus::True,
                reason::PROGRESSING,
                PREREQUISITES,
            );
            let message = format!("{}{text}", fate.prefix);
            conditions.set(READY, ConditionStatus::False, reason, &message);
            if fate.event {
                run.tell(Severity::Error, reason, text.clone(), None);
            }
        }
        if matches!(self, Self::Dependency(_)) && !is_announced(run, reason::DEPENDENCY_NOT_READY, &text) {
            run.tell(Severity::Info, reason::DEPENDENCY_NOT_READY, text.clone(), None);
        }
        Outcome::Concluded(Conclusion {
            next: fate.next,
            is_observed: false,
            error: (!is_wait).then_some(text),
        })
    }
}

/// The object has to be edited.
fn refused(run: &mut Run<'_, Helm>, refusal: &Refusal) -> Outcome {
    let Refusal { reason, message } = refusal;
    let mut conditions = Writer::of(run);
    conditions.remove(RECONCILING);
    conditions.set(STALLED, ConditionStatus::True, reason, message);
    conditions.set(READY, ConditionStatus::False, reason, message);
    if !is_announced(run, reason, message) {
        tracing::error!(error = message, "Reconciliation failed");
        let told = message.strip_prefix(TERMINAL).unwrap_or(message);
        run.tell(Severity::Error, reason, told.to_owned(), None);
    }
    Outcome::Concluded(Conclusion {
        next: Next::Event,
        is_observed: true,
        error: Some(message.clone()),
    })
}

/// Why it is not known how to get to a cluster, in helm-controller's words where it has its own.
pub(crate) fn error_text(error: &ClusterError) -> String {
    match error {
        ClusterError::Secret { secret, why, .. } => {
            format!("could not get KubeConfig secret '{secret}': {why}")
        }
        ClusterError::Key {
            secret,
            key: Some(key),
        } => {
            format!("KubeConfig secret '{secret}' does not contain a '{key}' key with data")
        }
        ClusterError::Key { secret, key: None } => {
            format!("KubeConfig secret '{secret}' does not contain a 'value' or 'value.yaml' key with data")
        }
        ClusterError::KubeConfig { secret, error } => {
            format!("failed to load KubeConfig from secret '{secret}': {error}")
        }
        ClusterError::Nothing => {
            "exactly one of .spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be set".to_owned()
        }
        other => other.to_string(),
    }
}

/// What becomes of a run that got to the release.
pub(crate) fn ended(ending: Ending) -> Outcome {
    let is_observed = ending.is_observed();
    let (next, error) = match ending {
        Ending::Done => (Next::Interval, None),
        Ending::RetryAfter(pause) => (Next::Around(pause.to_std()), None),
        Ending::Continue => (Next::Backoff, None),
        Ending::Stalled(error) => (Next::Event, Some(error)),
        Ending::Failed(error) => (Next::Backoff, Some(error)),
    };
    if let Some(error) = &error {
        tracing::error!(error, "Reconciler error");
    }
    Outcome::Concluded(Conclusion {
        next,
        is_observed,
        error,
    })
}

/// The release that was is gone; the one that is wanted is made by the next run.
pub(crate) fn begins_anew() -> Outcome {
    ended(Ending::Continue)
}

/// Tells whether the object says so already, so that a wait is announced once and not at each look.
fn is_announced(run: &Run<'_, Helm>, reason: &str, message: &str) -> bool {
    let ready = run.object.status.conditions.get_condition(READY);
    ready.is_some_and(|ready| ready.reason == reason && ready.message == message)
}

/// Writes conditions of the object of a run.
struct Writer<'s> {
    list: &'s mut Vec<Condition>,
    generation: Option<i64>,
}

impl<'s> Writer<'s> {
    fn of(run: &'s mut Run<'_, Helm>) -> Self {
        Self {
            generation: run.object.metadata.generation,
            list: &mut run.status.conditions,
        }
    }

    fn set(&mut self, type_: &str, is: ConditionStatus, reason: &str, message: &str) {
        self.list
            .set_condition(type_, is, reason, message, self.generation, Timestamp::now());
    }

    fn remove(&mut self, type_: &str) {
        self.list.remove_condition(type_);
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<StatusError> for Stop {
    fn from(error: StatusError) -> Self {
        Self::Halted(match error {
            // What the run has done is handed over with its status.
            StatusError::SomebodyElse => Halt::Superseded,
            error => error.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_to_stop_has_one_fate() {
        let look = Duration::from_secs(30);
        let refused = || RestError::Request("no".into());
        let rows = [
            (
                Stop::Dependency("d".into()),
                Some("DependencyNotReady"),
                false,
                Next::After(look),
            ),
            (
                Stop::Source("s".into()),
                Some("SourceNotReady"),
                false,
                Next::Around(look),
            ),
            (
                Stop::NoFile(GoDuration::from(look)),
                Some("ArtifactFailed"),
                false,
                Next::After(look),
            ),
            (
                Stop::Values(ValuesError::Read(refused())),
                Some("ValuesError"),
                true,
                Next::Backoff,
            ),
            (
                Stop::Artifact(ArtifactError::NoDigest("a".into())),
                Some("ArtifactFailed"),
                true,
                Next::Backoff,
            ),
            (
                Stop::Chart(LoadError::NoChartYaml),
                Some("ArtifactFailed"),
                true,
                Next::Backoff,
            ),
            (
                Stop::Version(ChartVersionError::Chart("x".into())),
                Some("ChartMutateError"),
                false,
                Next::Backoff,
            ),
            (
                Stop::Cluster(Arc::new(refused().into())),
                Some("RESTClientError"),
                false,
                Next::Backoff,
            ),
            (
                Stop::LastCluster(Arc::new(refused().into())),
                Some("UninstallFailed"),
                false,
                Next::Backoff,
            ),
            (Stop::HelmChart("h".into()), None, false, Next::Backoff),
            (Stop::Uninstall("u".into()), None, false, Next::Backoff),
            (
                Stop::LastIdentity {
                    account: "a".into(),
                    error: refused(),
                },
                Some("UninstallFailed"),
                false,
                Next::Backoff,
            ),
        ];
        for (stop, reason, event, next) in rows {
            let fate = stop.fate(look);
            assert_eq!(
                (fate.reason, fate.event, fate.next),
                (reason, event, next),
                "{stop}"
            );
        }
        assert_eq!(
            Stop::NoFile(GoDuration::from(look)).to_string(),
            "Source not ready: artifact not found. Retrying in 30s"
        );
    }

    #[test]
    fn endings_have_their_next_runs() {
        let retry = GoDuration::from(Duration::from_mins(1));
        for (ending, next, observed, failed) in [
            (Ending::Done, Next::Interval, true, false),
            (
                Ending::RetryAfter(retry),
                Next::Around(Duration::from_mins(1)),
                true,
                false,
            ),
            (Ending::Continue, Next::Backoff, false, false),
            (Ending::Stalled("no".into()), Next::Event, true, true),
            (Ending::Failed("no".into()), Next::Backoff, false, true),
        ] {
            let Outcome::Concluded(conclusion) = ended(ending.clone()) else {
                panic!("{ending:?} is concluded");
            };
            let found = (
                conclusion.next,
                conclusion.is_observed,
                conclusion.error.is_some(),
            );
            assert_eq!(found, (next, observed, failed), "{ending:?}");
        }
    }
}

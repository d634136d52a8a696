//! From what is known to the one next step.

use flux_api::{DriftDetection, ReleaseAction, ReleaseSnapshot, RemediationStrategy};

use super::facts::{Drift, Facts, Previous};

/// What is to be done to a release.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Install it.
    Install,
    /// Upgrade it.
    Upgrade,
    /// Run its tests.
    Test,
    /// Go back to an earlier revision, because the newest one failed.
    Rollback(Box<ReleaseSnapshot>),
    /// Uninstall it, because it failed.
    Uninstall,
    /// Mark it as failed, because whoever was at work on it is gone.
    Unlock,
    /// Put right what somebody else changed in the cluster.
    CorrectDrift,
}

/// Kinds of actions; a run does each once at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Makes a new release.
    Release,
    /// Remedies a failed one.
    Remediate,
    /// Tests one.
    Test,
    /// Unlocks one.
    Unlock,
    /// Corrects the cluster.
    DriftCorrection,
}

impl Action {
    /// Returns the kind.
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::Install | Self::Upgrade => ActionKind::Release,
            Self::Rollback(_) | Self::Uninstall => ActionKind::Remediate,
            Self::Test => ActionKind::Test,
            Self::Unlock => ActionKind::Unlock,
            Self::CorrectDrift => ActionKind::DriftCorrection,
        }
    }

    /// Returns the name that users see.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Test => "test",
            Self::Rollback(_) => "rollback",
            Self::Uninstall => "uninstall",
            Self::Unlock => "unlock",
            Self::CorrectDrift => "correct cluster drift",
        }
    }
}

/// What comes next, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Compare the objects in the cluster with the record, then decide again.
    CompareWithCluster,
    /// See whether the record of this snapshot is still there, then decide again.
    VerifyPrevious(Box<ReleaseSnapshot>),
    /// Do something.
    Run {
        /// What.
        action: Action,
        /// What state the release is in.
        state: State,
        /// Why, in stock's words; may be empty.
        reason: String,
    },
    /// Nothing: the release is as it should be.
    InSync,
    /// Nothing but to say so: somebody else has changed objects, and they are left as they are.
    LeaveDrift(String),
    /// Nothing, because no attempt is left; says what cannot be done.
    Exhausted(&'static str),
    /// Nothing, because there is no release to go back to.
    NoRollbackTarget,
    /// Nothing, because nobody knows what state the release is in.
    Undetermined(String),
    /// Nothing, because of an error that may pass or needs an edit.
    Failed(String),
}

/// The state of a release compared with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    InSync,
    /// Another chart, other values or other post-renderers are wanted.
    OutOfSync,
    /// Objects in the cluster were changed by somebody else; one line per object.
    Drifted(String),
    /// Its tests have not run.
    Untested,
    /// It failed, or its tests did.
    Failed,
    /// There is none.
    Absent,
    /// There is one that was not made for this object, or was changed by somebody else.
    Unmanaged,
    /// Somebody was at work on it, and is gone.
    Locked,
    /// Its uninstall has not come to an end.
    Interrupted,
}

/// Decides the next step.
pub fn decide(facts: &Facts<'_>) -> Next {
    let (state, reason) = match state(facts) {
        Ok(found) => found,
        Err(next) => return next,
    };
    let run = |action| Next::Run {
        action,
        state: state.clone(),
        reason: reason.clone(),
    };
    let spec = &facts.object.spec;
    match &state {
        State::InSync if facts.forced => run(Action::Upgrade),
        State::InSync => Next::InSync,
        State::Locked => run(Action::Unlock),
        // Nothing else leads out of this state: it can neither be upgraded nor installed.
        State::Interrupted => run(Action::Uninstall),
        State::Absent => attempt(facts, ReleaseAction::Install, run(Action::Install)),
        State::Unmanaged => run(Action::Upgrade),
        State::OutOfSync => attempt(facts, ReleaseAction::Upgrade, run(Action::Upgrade)),
        State::Drifted(summary) => {
            let corrects = spec
                .drift_detection
                .as_ref()
                .is_some_and(DriftDetection::corrects);
            if corrects {
                run(Action::CorrectDrift)
            } else {
                Next::LeaveDrift(summary.clone())
            }
        }
        State::Untested => run(Action::Test),
        State::Failed => match remedy(facts) {
            Ok(action) => run(action),
            Err(next) => next,
        },
    }
}

/// Gives `next` unless no attempt at the action is left and nobody insists.
fn attempt(facts: &Facts<'_>, action: ReleaseAction, next: Next) -> Next {
    let remediation = facts.object.spec.remediation(action);
    let exhausted = remediation.is_some_and(|remediation| remediation.is_exhausted(facts.status));
    if exhausted && !facts.forced {
        return Next::Exhausted(match action {
            ReleaseAction::Install => "cannot install release",
            _ => "cannot upgrade release",
        });
    }
    next
}

/// What is done about a failed release.
fn remedy(facts: &Facts<'_>) -> Result<Action, Next> {
    let (spec, status) = (&facts.object.spec, facts.status);
    if status.active_retry(spec, facts.retry_by_default).is_some() {
        return Ok(Action::Upgrade);
    }
    // Without a failure that counts, what led to it has changed since, and is tried anew.
    let Some(remediation) = status
        .active_remediation(spec)
        .filter(|remediation| remediation.failures(status) > 0 && !facts.forced)
    else {
        return Ok(Action::Upgrade);
    };
    if remediation.is_exhausted(status) && !remediation.remediate_last_failure {
        return Err(Next::Exhausted("cannot remediate failed release"));
    }
    match remediation.strategy {
        Some(RemediationStrategy::Uninstall) => Ok(Action::Uninstall),
        Some(RemediationStrategy::Rollback) => {
            let Some(previous) = status.history.previous(remediation.ignore_test_failures) else {
                return Err(Next::NoRollbackTarget);
            };
            let current = status.history.latest().unwrap_or(previous);
            if (&previous.name, &previous.namespace) != (&current.name, &current.namespace) {
                return Err(Next::Failed(format!(
                    "release mismatch: previous release name or namespace {previous} does not match current {current}"
                )));
            }
            match &facts.previous {
                None => Err(Next::VerifyPrevious(Box::new(previous.clone()))),
                Some(Previous::Verified) => Ok(Action::Rollback(Box::new(previous.clone()))),
                // What cannot be trusted is not gone back to.
                Some(Previous::Disappeared | Previous::Changed(_)) => Ok(Action::Upgrade),
                Some(Previous::Unknown(error)) => Err(Next::Failed(format!(
                    "cannot verify previous release to roll back to: {error}"
                ))),
            }
        }
        None => {
            let named = spec
                .upgrade
                .as_ref()
                .and_then(|upgrade| upgrade.remediation.as_ref()?.strategy.clone());
            Err(Next::Failed(format!(
                "unknown remediation strategy: {}",
                named.unwrap_or_default()
            )))
        }
    }
}

/// Compares what is stored with what is wanted.
fn state(facts: &Facts<'_>) -> Result<(State, String), Next> {
    let found = |state: State, reason: &str| Ok((state, reason.to_owned()));
    let Some(stored) = &facts.stored else {
        return found(State::Absent, "no release in storage for object");
    };
    if stored.is_pending() {
        return found(State::Locked, &format!("release with status '{}'", stored.status));
    }
    if stored.status == "uninstalling" {
        return found(
            State::Interrupted,
            &format!("release with status '{}'", stored.status),
        );
    }
    let uninstalled = (State::Absent, "found uninstalled release in storage");
    let Some(current) = facts.status.history.latest() else {
        return match stored.status.as_str() {
            "uninstalled" => found(uninstalled.0, uninstalled.1),
            _ => found(State::Unmanaged, "found existing release in storage"),
        };
    };
    if let Some(reason) = stored.verification.reason() {
        return found(State::Unmanaged, reason);
    }
    match stored.status.as_str() {
        "failed" => return found(State::Failed, ""),
        "uninstalled" => return found(uninstalled.0, uninstalled.1),
        "deployed" => {}
        other => {
            return Err(Next::Undetermined(format!(
                "unable to determine state for release with status '{other}'"
            )));
        }
    }
    if (stored.chart_name.as_str(), stored.chart_version.as_str()) != (facts.chart.name, facts.chart.version)
    {
        return found(State::OutOfSync, "release chart changed");
    }
    if !facts.same_values {
        return found(State::OutOfSync, "release config values changed");
    }
    let (object, status) = (facts.object, facts.status);
    // A status of an observed generation was made from what the spec says.
    if object.metadata.generation != Some(status.observed_generation) {
        if facts.post_renderers != status.observed_post_renderers_digest {
            return found(State::OutOfSync, "postrenderers digest has changed");
        }
        if facts.common_metadata != status.observed_common_metadata_digest {
            return found(State::OutOfSync, "common metadata digest has changed");
        }
    }
    let spec = &object.spec;
    if spec.tests_enabled() {
        if !current.has_been_tested() {
            return found(State::Untested, "");
        }
        let minds = status
            .active_remediation(spec)
            .is_some_and(|remediation| !remediation.ignore_test_failures);
        if minds && current.has_failed_test() {
            return found(State::Failed, "release has test in failed phase");
        }
    }
    if spec.drift_detection.as_ref().is_some_and(DriftDetection::detects) {
        match &facts.drift {
            None => return Err(Next::CompareWithCluster),
            Some(Drift::None) => {}
            Some(Drift::Some(summary)) => return found(State::Drifted(summary.clone()), ""),
            Some(Drift::Unknown(error)) => {
                return Err(Next::Undetermined(format!(
                    "unable to determine cluster state: {error}"
                )));
            }
        }
    }
    found(State::InSync, "")
}

//! The status of a run in progress, and how its conditions are set.

use std::time::Duration;

use flux_api::{
    ConditionStatus, ConditionsExt, GoDuration, HelmRelease, HelmReleaseStatus, READY, RECONCILING, RELEASED,
    REMEDIATED, STALLED, TEST_SUCCESS, reason,
};
use helm::digest::Algorithm;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{Action, ActionKind};

/// A status that is being written by a run.
pub struct Machine<'a> {
    /// The object, for its spec and its generation.
    pub object: &'a HelmRelease,
    /// Its status.
    pub status: &'a mut HelmReleaseStatus,
    /// Digest of `spec.postRenderers`; empty without any.
    pub post_renderers: &'a str,
    /// Digest of `spec.commonMetadata`; empty without any.
    pub common_metadata: &'a str,
    /// Whether failures are retried when the object names no strategy.
    pub retry_by_default: bool,
    /// How digests are computed.
    pub algorithm: Algorithm,
    /// The time that changes are dated.
    pub now: Timestamp,
}

impl Machine<'_> {
    pub(super) fn set(&mut self, type_: &str, status: ConditionStatus, reason: &str, message: &str) {
        let generation = self.object.metadata.generation;
        self.status
            .conditions
            .set_condition(type_, status, reason, message, generation, self.now);
    }

    pub(super) fn remove(&mut self, type_: &str) {
        self.status.conditions.remove_condition(type_);
    }

    pub(super) fn is_true(&self, type_: &str) -> bool {
        self.status.conditions.has_status(type_, ConditionStatus::True)
    }

    fn text(&self, type_: &str) -> (String, String) {
        let condition = self.status.conditions.get_condition(type_);
        condition.map_or_else(Default::default, |found| {
            (found.reason.clone(), found.message.clone())
        })
    }

    pub(super) fn reason_of(&self, type_: &str) -> String {
        self.text(type_).0
    }

    pub(super) fn message_of(&self, type_: &str) -> String {
        self.text(type_).1
    }

    /// What `Ready` says.
    pub(super) fn ready_message(&self) -> String {
        self.message_of(READY)
    }

    /// Says that the run goes on.
    pub fn mark_reconciling(&mut self, reason: &str, message: &str) {
        self.remove(STALLED);
        self.set(RECONCILING, ConditionStatus::True, reason, message);
    }

    /// Says that nothing more is done until somebody edits something.
    pub fn mark_stalled(&mut self, reason: &str, message: &str) {
        self.remove(RECONCILING);
        self.set(STALLED, ConditionStatus::True, reason, message);
    }

    /// Says that the object is not ready.
    pub fn mark_not_ready(&mut self, reason: &str, message: &str) {
        self.set(READY, ConditionStatus::False, reason, message);
    }

    /// Takes back that the object is not ready for one of these reasons: that step is passed.
    pub fn has_passed(&mut self, reasons: &[&str]) {
        if reasons.contains(&self.reason_of(READY).as_str()) {
            let (unknown, progressing) = (ConditionStatus::Unknown, reason::PROGRESSING);
            self.set(READY, unknown, progressing, "reconciliation in progress");
        }
    }

    /// Says what is about to be done; only a new release changes what `Ready` says, which may be more important.
    pub fn announce(&mut self, action: &Action) {
        let message = format!(
            "Running '{}' action with timeout of {}",
            action.name(),
            self.timeout_of(action)
        );
        self.mark_reconciling(reason::PROGRESSING, &message);
        if action.kind() == ActionKind::Release {
            self.set(READY, ConditionStatus::Unknown, reason::PROGRESSING, &message);
        }
    }

    /// The limit of an action.
    pub fn timeout_of(&self, action: &Action) -> GoDuration {
        let spec = &self.object.spec;
        let own = match action {
            Action::Install => spec.install.as_ref().and_then(|install| install.timeout.as_ref()),
            Action::Upgrade => spec.upgrade.as_ref().and_then(|upgrade| upgrade.timeout.as_ref()),
            Action::Test => spec.test.as_ref().and_then(|test| test.timeout.as_ref()),
            Action::Rollback(_) => spec
                .rollback
                .as_ref()
                .and_then(|rollback| rollback.timeout.as_ref()),
            Action::Uninstall => spec
                .uninstall
                .as_ref()
                .and_then(|uninstall| uninstall.timeout.as_ref()),
            Action::Unlock | Action::CorrectDrift => None,
        };
        let all = || self.object.timeout().unwrap_or_default();
        own.map_or_else(all, |own| own.get().unwrap_or_default())
    }

    /// Makes `Ready` of the conditions that say how the release fares.
    ///
    /// The most important one of the newest generation counts. A release that had to be remedied is not ready, whatever
    /// came of that.
    pub fn summarize(&mut self) {
        let spec = &self.object.spec;
        let tests = spec.tests_enabled();
        let order: &[&str] = if tests && !spec.ignores_test_failures() {
            &[REMEDIATED, TEST_SUCCESS, RELEASED]
        } else {
            &[REMEDIATED, RELEASED]
        };
        if !tests {
            self.remove(TEST_SUCCESS);
        }
        let Some(first) = most_important(&self.status.conditions, order) else {
            return;
        };
        let status = match first.status.as_str() {
            _ if first.type_ == REMEDIATED => ConditionStatus::False,
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        };
        if status == ConditionStatus::True {
            self.remove(STALLED);
        }
        self.set(READY, status, &first.reason, &first.message);
        self.post_renderers
            .clone_into(&mut self.status.observed_post_renderers_digest);
        self.common_metadata
            .clone_into(&mut self.status.observed_common_metadata_digest);
    }
}

/// How long actions take that neither wait for anything nor say in the status what came of them.
const SHORT: Duration = Duration::from_secs(10);

/// How long the others take for what they do besides waiting: the timeout that they announce begins with each wait.
const WORK: Duration = Duration::from_secs(30);

/// How much longer somebody may be at work on a release, by what was announced: see [`Machine::announce`].
///
/// A controller that does not watch the object any more cannot write its conditions, so that its announcement stays; what
/// else it writes at the end of an action tells, compared with what the status said `before` the object was handed over.
pub fn action_under_way(
    status: &HelmReleaseStatus,
    before: &HelmReleaseStatus,
    now: Timestamp,
) -> Option<Duration> {
    let announced = status.conditions.get_condition(RECONCILING)?;
    let (action, timeout) = announced
        .message
        .strip_prefix("Running '")?
        .split_once("' action with timeout of ")?;
    let newest = status.history.latest();
    let has_ended = status.last_attempted_release_action_duration
        != before.last_attempted_release_action_duration
        || newest.is_some_and(|newest| before.history.latest() != Some(newest));
    if has_ended {
        return None;
    }
    let timeout = timeout.parse::<GoDuration>().ok()?.to_std();
    let is_short = [Action::Unlock, Action::CorrectDrift]
        .iter()
        .any(|short| short.name() == action);
    let longest = if is_short {
        timeout.min(SHORT)
    } else {
        timeout.saturating_add(WORK)
    };
    let passed = now.duration_since(announced.last_transition_time.0);
    let left = longest.checked_sub(Duration::try_from(passed).unwrap_or_default())?;
    (announced.status == "True" && !left.is_zero()).then_some(left)
}

/// The condition that comes first when stock sorts them by `order`.
///
/// Its comparison is no order in the strict sense: the generation counts only where the rank does too. So the sort is done
/// in the way in which it is done there, one condition at a time.
fn most_important(conditions: &[Condition], order: &[&str]) -> Option<Condition> {
    let rank = |condition: &Condition| order.iter().position(|type_| *type_ == condition.type_);
    let less = |a: &Condition, b: &Condition| match (rank(a), rank(b)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(i), Some(j)) => {
            a.observed_generation.unwrap_or(0) >= b.observed_generation.unwrap_or(0) && i < j
        }
    };
    let mut sorted: Vec<&Condition> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let mut at = sorted.len();
        while at > 0 && sorted.get(at - 1).is_some_and(|before| less(condition, before)) {
            at -= 1;
        }
        sorted.insert(at, condition);
    }
    sorted.first().map(|first| (*first).clone())
}

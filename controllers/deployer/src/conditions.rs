//! The conditions that every deployer writes, one function each.

use flux_api::{
    ConditionStatus, ConditionsExt, Deployed, DeployedStatus, HEALTHY, READY, RECONCILING, STALLED, reason,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The conditions of an object as they are being written.
pub struct Conditions<'a> {
    list: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Conditions<'a> {
    /// Takes the conditions of a status of `object`.
    pub fn of<O: Deployed>(object: &O, status: &'a mut O::Status, now: Timestamp) -> Self {
        Self {
            list: status.conditions_mut(),
            generation: object.meta().generation,
            now,
        }
    }

    /// `Ready` is true.
    pub fn ready(&mut self, reason: &str, message: &str) {
        self.set(READY, ConditionStatus::True, reason, message);
    }

    /// `Ready` is false.
    pub fn not_ready(&mut self, reason: &str, message: &str) {
        self.set(READY, ConditionStatus::False, reason, message);
    }

    /// The run goes on: what `flux get` and kstatus show meanwhile.
    pub fn in_progress(&mut self, ready: &str, message: &str) {
        self.list.remove_condition(STALLED);
        self.set(READY, ConditionStatus::Unknown, reason::PROGRESSING, ready);
        self.set(RECONCILING, ConditionStatus::True, reason::PROGRESSING, message);
    }

    /// The run failed and is tried again.
    pub fn retrying(&mut self, message: &str) {
        let reason = reason::PROGRESSING_WITH_RETRY;
        self.set(RECONCILING, ConditionStatus::True, reason, message);
    }

    /// The object needs an edit.
    pub fn stalled(&mut self, reason: &str, message: &str) {
        self.list.remove_condition(RECONCILING);
        self.set(STALLED, ConditionStatus::True, reason, message);
    }

    /// `Healthy` is what `value` says.
    pub fn healthy(&mut self, value: ConditionStatus, reason: &str, message: &str) {
        self.set(HEALTHY, value, reason, message);
    }

    /// A condition is not there, because nothing can be said.
    pub fn remove(&mut self, type_: &str) {
        self.list.remove_condition(type_);
    }

    fn set(&mut self, type_: &str, value: ConditionStatus, reason: &str, message: &str) {
        self.list
            .set_condition(type_, value, reason, message, self.generation, self.now);
    }
}

//! Conditions of a status: how they are set, ordered and read.

use std::cmp::Reverse;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The longest condition message in bytes; a longer one is cut and ends with `...`.
pub const MAX_CONDITION_MESSAGE: usize = 32_768;

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl ConditionStatus {
    /// Returns the text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A list of conditions as Flux keeps it, on top of the plain list that a status holds.
pub trait ConditionsExt {
    /// Returns the condition of a type.
    fn get_condition(&self, type_: &str) -> Option<&Condition>;

    /// Sets a condition and keeps the list in Flux's order.
    ///
    /// The transition time changes only when status, reason or message do; `generation` is always recorded. A
    /// message over [`MAX_CONDITION_MESSAGE`] is cut.
    fn set_condition(
        &mut self,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
        now: Timestamp,
    );

    /// Removes the condition of a type and returns whether there was one.
    fn remove_condition(&mut self, type_: &str) -> bool;

    /// Puts a condition in the place of another one, whose transition time it keeps; without the other one, nothing is
    /// done.
    fn replace_condition(
        &mut self,
        other: &str,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
    );

    /// Returns whether the condition of a type has a status.
    fn has_status(&self, type_: &str, status: ConditionStatus) -> bool {
        self.get_condition(type_)
            .is_some_and(|c| c.status == status.as_str())
    }
}

impl ConditionsExt for Vec<Condition> {
    fn get_condition(&self, type_: &str) -> Option<&Condition> {
        self.iter().find(|c| c.type_ == type_)
    }

    fn set_condition(
        &mut self,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
        now: Timestamp,
    ) {
        let message = trim_message(message.into());
        match self.iter_mut().find(|c| c.type_ == type_) {
            Some(existing) => {
                existing.observed_generation = generation;
                if existing.status != status.as_str()
                    || existing.reason != reason
                    || existing.message != message
                {
                    status.as_str().clone_into(&mut existing.status);
                    reason.clone_into(&mut existing.reason);
                    existing.message = message;
                    existing.last_transition_time = whole_seconds(now);
                }
            }
            None => self.push(Condition {
                type_: type_.to_owned(),
                status: status.as_str().to_owned(),
                reason: reason.to_owned(),
                message,
                observed_generation: generation,
                last_transition_time: whole_seconds(now),
            }),
        }
        sort(self);
    }

    fn replace_condition(
        &mut self,
        other: &str,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
    ) {
        let Some(since) = self.get_condition(other).map(|c| c.last_transition_time.0) else {
            return;
        };
        self.remove_condition(other);
        self.remove_condition(type_);
        self.set_condition(type_, status, reason, message, generation, since);
    }

    fn remove_condition(&mut self, type_: &str) -> bool {
        let before = self.len();
        self.retain(|c| c.type_ != type_);
        self.len() < before
    }
}

/// Orders as Flux prints: Stalled, Reconciling, Ready, then the newest generation first and by type.
fn sort(conditions: &mut [Condition]) {
    conditions.sort_by(|a, b| order(a).cmp(&order(b)));

    fn order(c: &Condition) -> (usize, Reverse<i64>, &str) {
        match [crate::STALLED, crate::RECONCILING, crate::READY]
            .iter()
            .position(|t| *t == c.type_)
        {
            Some(weight) => (weight, Reverse(0), ""),
            None => (usize::MAX, Reverse(c.observed_generation.unwrap_or(0)), &c.type_),
        }
    }
}

/// Returns a point in time as the API stores it: whole seconds.
fn whole_seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

fn trim_message(mut message: String) -> String {
    if message.len() > MAX_CONDITION_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_CONDITION_MESSAGE - 3));
        message.push_str("...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HEALTHY, READY, RECONCILING, STALLED};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn the_transition_time_follows_status_reason_and_message_only() {
        let mut conditions = Vec::new();
        let rows = [
            (ConditionStatus::Unknown, "Progressing", "a", 1, 100, 100),
            (ConditionStatus::Unknown, "Progressing", "a", 2, 101, 100),
            (ConditionStatus::Unknown, "Progressing", "b", 2, 102, 102),
            (ConditionStatus::Unknown, "Waiting", "b", 2, 103, 103),
            (ConditionStatus::True, "Waiting", "b", 2, 104, 104),
        ];
        for (status, reason, message, generation, now, transition) in rows {
            conditions.set_condition(READY, status, reason, message, Some(generation), at(now));
            let ready = conditions.get_condition(READY).expect("set");
            assert_eq!(ready.last_transition_time.0, at(transition), "at {now}");
            assert_eq!(ready.observed_generation, Some(generation));
        }
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn conditions_are_kept_in_the_order_of_flux() {
        let mut conditions = Vec::new();
        for (type_, generation) in [
            (HEALTHY, 1),
            ("Aged", 1),
            (READY, 1),
            ("Zoned", 2),
            (RECONCILING, 1),
            (STALLED, 1),
        ] {
            conditions.set_condition(type_, ConditionStatus::True, "R", "", Some(generation), at(0));
        }
        let order: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
        assert_eq!(order, [STALLED, RECONCILING, READY, "Zoned", "Aged", HEALTHY]);
        assert!(conditions.remove_condition(STALLED));
        assert!(!conditions.remove_condition(STALLED));
    }

    #[test]
    fn what_is_replaced_hands_on_its_time() {
        let mut conditions = Vec::new();
        let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
        conditions.set_condition("Old", yes, "R", "a", Some(1), at(100));
        conditions.set_condition("New", no, "R", "b", Some(1), at(200));
        conditions.replace_condition("Old", "New", yes, "S", "c", Some(2));
        assert_eq!(conditions.len(), 1);
        let new = conditions[0].clone();
        assert_eq!((new.type_.as_str(), new.last_transition_time.0), ("New", at(100)));
        conditions.replace_condition("Old", "New", no, "T", "d", Some(3));
        assert_eq!(conditions, [new]);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let mut conditions = Vec::new();
        conditions.set_condition(
            READY,
            ConditionStatus::True,
            "R",
            "\u{20ac}".repeat(20_000),
            None,
            at(0),
        );
        let message = &conditions[0].message;
        assert!(message.len() <= MAX_CONDITION_MESSAGE && message.ends_with("\u{20ac}..."));
    }
}

//! What a wait has to know of an object.

use flux_cel::health::{self, HealthCheck};
use serde_json::Value;

use crate::readiness::{Status, judge, judge_otherwise};

/// The readiness of an object, small enough to be kept of every object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    status: Status,
    /// By the other rule that Jobs and Pods have.
    otherwise: Status,
    detail: Option<Box<Detail>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Detail {
    /// When it counts as failed if nothing happens before, in seconds since the epoch.
    FailsAt(i64),
    /// Why its status is not known.
    Unknown(String),
}

impl Health {
    /// Judges an object.
    pub(super) fn of(object: &Value) -> Self {
        match judge(object) {
            Ok(readiness) => Self {
                status: readiness.status,
                otherwise: judge_otherwise(object).map_or(Status::Unknown, |other| {
                    other.map_or(readiness.status, |other| other.status)
                }),
                detail: readiness.fails_at.map(|at| Box::new(Detail::FailsAt(at))),
            },
            Err(error) => Self::unknown(&error),
        }
    }

    /// Judges an object by the expressions for its kind.
    pub(super) fn by(check: &HealthCheck, object: &Value) -> Self {
        match check.evaluate(object) {
            Ok(health::Health::Current) => Self::certain(Status::Current),
            Ok(health::Health::InProgress) => Self::certain(Status::InProgress),
            Ok(health::Health::Failed) => Self::certain(Status::Failed),
            Err(error) => Self::unknown(&error),
        }
    }

    /// There is no such object.
    pub(super) fn not_found() -> Self {
        Self::certain(Status::NotFound)
    }

    /// The status is known, and time does not change it.
    pub(super) fn certain(status: Status) -> Self {
        Self {
            status,
            otherwise: status,
            detail: None,
        }
    }

    /// The object could not be read.
    pub(super) fn unknown(why: &(impl ToString + ?Sized)) -> Self {
        Self {
            status: Status::Unknown,
            otherwise: Status::Unknown,
            detail: Some(Box::new(Detail::Unknown(why.to_string()))),
        }
    }

    /// Gives the status as it was when the object was looked at.
    pub(super) fn plain(&self) -> Status {
        self.status
    }

    /// Gives the health by the other rule that Jobs and Pods have.
    pub(super) fn otherwise(self) -> Self {
        Self::certain(self.otherwise)
    }

    /// Gives the status at `now`, in seconds since the epoch.
    pub fn status(&self, now: i64) -> Status {
        match self.fails_at() {
            Some(at) if at <= now => Status::Failed,
            _ => self.status,
        }
    }

    /// Gives the moment from which the object counts as failed if nothing happens to it.
    pub(super) fn fails_at(&self) -> Option<i64> {
        match self.detail.as_deref() {
            Some(Detail::FailsAt(at)) => Some(*at),
            _ => None,
        }
    }

    /// Gives the reason why the status is not known.
    pub(super) fn error(&self) -> Option<&str> {
        match self.detail.as_deref() {
            Some(Detail::Unknown(error)) => Some(error),
            _ => None,
        }
    }
}

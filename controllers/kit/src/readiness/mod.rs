//! Whether an object has reached the state that its spec asks for: the kstatus rules, as Flux's fork applies them.
//!
//! Behaviour follows fluxcd/cli-utils `pkg/kstatus/status` with Flux's own rule for Jobs, recorded by
//! `cargo xtask record readiness`; expressions in CEL are `flux-cel`'s, and [`crate::live`] asks them first.

mod fields;
mod kinds;

use std::borrow::Cow;

use serde_json::Value;

use fields::{Condition, conditions, get, integer, shown_kind, string};

pub use fields::Malformed;

/// How an object's observed state relates to its spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The object is what its spec asks for.
    Current,
    /// The object is on its way.
    InProgress,
    /// The object has failed and will not recover by waiting.
    Failed,
    /// The object is being deleted.
    Terminating,
    /// The object does not exist.
    NotFound,
    /// The object could not be read, or makes no sense.
    Unknown,
}

impl Status {
    /// Gives the name that Flux prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        }
    }
}

/// The status of an object, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The status.
    pub status: Status,
    /// Why, in upstream's words.
    pub message: Cow<'static, str>,
    /// When the object counts as failed if nothing happens to it before, in seconds since the epoch: what no node
    /// takes has a grace.
    pub fails_at: Option<i64>,
}

impl Readiness {
    fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            fails_at: None,
        }
    }

    /// Gives what is true at `now`, in seconds since the epoch, of an object that has not changed.
    #[must_use]
    pub fn at(self, now: i64) -> Self {
        match self.fails_at {
            Some(at) if at <= now => kinds::unschedulable(),
            _ => self,
        }
    }
}

/// Judges an object as the API server returned it.
///
/// # Errors
/// When a field that the rules read has another type than everybody expects.
pub fn judge(object: &Value) -> Result<Readiness, Malformed> {
    let kind = Kind::of(object);
    if kind.is("batch", "Job") {
        return kinds::job(object);
    }
    if let Some(readiness) = for_all_kinds(object)? {
        return Ok(readiness);
    }
    match kinds::rule(&kind) {
        Some(rule) => rule(object),
        None => by_ready_condition(object),
    }
}

/// Judges a Job of which nobody asks more than that it has begun, and a Pod of which somebody asks that it has ended;
/// nothing for other kinds, which have one rule only.
///
/// # Errors
/// When a field that the rules read has another type than everybody expects.
pub fn judge_otherwise(object: &Value) -> Result<Option<Readiness>, Malformed> {
    let kind = Kind::of(object);
    if kind.is("", "Pod") {
        return Ok(Some(kinds::finished_pod(object)));
    }
    if !kind.is("batch", "Job") {
        return Ok(None);
    }
    match for_all_kinds(object)? {
        Some(readiness) => Ok(Some(readiness)),
        None => kinds::started_job(object).map(Some),
    }
}

/// The group and kind of an object; both are empty when its version cannot be read.
struct Kind<'a> {
    group: &'a str,
    name: &'a str,
}

impl<'a> Kind<'a> {
    fn of(object: &'a Value) -> Self {
        let version = string(object, &["apiVersion"], "");
        let (group, name) = match version.matches('/').count() {
            0 => ("", string(object, &["kind"], "")),
            1 => (
                version.split_once('/').map_or("", |(group, _)| group),
                string(object, &["kind"], ""),
            ),
            _ => ("", ""),
        };
        Self { group, name }
    }

    fn is(&self, group: &str, name: &str) -> bool {
        self.group == group && self.name == name
    }
}

/// The rules that come first, whatever the kind: deletion, generations, and the two conditions of the standard.
fn for_all_kinds(object: &Value) -> Result<Option<Readiness>, Malformed> {
    let path = ["metadata", "deletionTimestamp"];
    let deleted = match get(object, &path).map_err(|error| error.looking_up(&path))? {
        None => false,
        Some(Value::String(at)) => !at.is_empty(),
        Some(odd) => return Err(Malformed::field(&path, odd, "string").looking_up(&path)),
    };
    if deleted {
        let message = "Resource scheduled for deletion";
        return Ok(Some(Readiness::new(Status::Terminating, message)));
    }
    if let Some(generation) = integer(object, &["metadata", "generation"])?
        && let Some(observed) = integer(object, &["status", "observedGeneration"])?
        && observed != generation
    {
        let kind = shown_kind(object);
        let message =
            format!("{kind} generation is {generation}, but latest observed generation is {observed}");
        return Ok(Some(Readiness::new(Status::InProgress, message)));
    }
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("Reconciling", "True") => return Ok(Some(because_of(Status::InProgress, &condition))),
            ("Stalled", "True") => return Ok(Some(because_of(Status::Failed, &condition))),
            _ => {}
        }
    }
    Ok(None)
}

fn by_ready_condition(object: &Value) -> Result<Readiness, Malformed> {
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("Ready", "True") => return Ok(Readiness::new(Status::Current, "Resource is Ready")),
            ("Ready", "False" | "Unknown") => return Ok(because_of(Status::InProgress, &condition)),
            _ => {}
        }
    }
    Ok(Readiness::new(Status::Current, "Resource is current"))
}

fn because_of(status: Status, condition: &Condition<'_>) -> Readiness {
    Readiness::new(status, condition.message.to_owned())
}

/// Gives the status of an object at `now`, in seconds since the epoch; one that makes no sense is unknown.
pub fn status(object: &Value, now: i64) -> Status {
    judge(object).map_or(Status::Unknown, |readiness| readiness.at(now).status)
}

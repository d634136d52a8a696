//! The words about drift in events, conditions and logs.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Diff, DiffType};

/// `Kind/namespace/name`, or `Kind/name`.
pub fn resource_name(object: &Value) -> String {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (kind, namespace, name) = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
    if namespace.is_empty() {
        format!("{kind}/{name}")
    } else {
        format!("{kind}/{namespace}/{name}")
    }
}

/// One line for each object that is not as it should be, or not looked at.
pub fn summarize(diffs: &[Diff]) -> String {
    let lines = diffs.iter().filter_map(|diff| {
        let name = resource_name(&diff.desired);
        let [added, changed, removed] = diff.counts;
        match diff.found {
            DiffType::None => None,
            DiffType::Create => Some(format!("{name} removed")),
            DiffType::Exclude => Some(format!("{name} excluded")),
            DiffType::Update => Some(format!(
                "{name} changed ({added} additions, {changed} changes, {removed} removals)"
            )),
        }
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// How many objects are missing, different and not looked at.
pub fn summarize_briefly(diffs: &[Diff]) -> String {
    let count = |diff_type| diffs.iter().filter(|diff| diff.found == diff_type).count();
    format!(
        "removed: {}, changed: {}, excluded: {}",
        count(DiffType::Create),
        count(DiffType::Update),
        count(DiffType::Exclude)
    )
}

/// The event and the condition of a release that has drifted; `release` is `namespace/name.vN`.
pub fn drift_message(release: &str, diffs: &[Diff]) -> String {
    format!(
        "Cluster state of release {release} has drifted from the desired state:\n{}",
        summarize(diffs)
    )
}

/// What was done about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrected {
    /// It was created.
    Created,
    /// It was patched.
    Configured,
}

/// What became of a correction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    /// The objects that were mended, by their [`resource_name`].
    pub done: Vec<(String, Corrected)>,
    /// Why others were not ([`correction_failure`]).
    pub failures: Vec<String>,
}

impl Correction {
    /// The message of the event; none if there was nothing to do.
    pub fn message(&self, release: &str) -> Option<String> {
        let mut done = String::new();
        for (at, (name, corrected)) in self.done.iter().enumerate() {
            let word = match corrected {
                Corrected::Created => "created",
                Corrected::Configured => "configured",
            };
            // Writing into a text does not fail.
            _ = write!(done, "{}{name} {word}", if at > 0 { "\n" } else { "" });
        }
        match (self.failures.is_empty(), self.done.is_empty()) {
            (true, true) => None,
            (true, false) => Some(format!(
                "Cluster state of release {release} has been corrected:\n{done}"
            )),
            (false, nothing_done) => {
                let partially = if nothing_done { "" } else { "partially " };
                let failures = self.failures.join("\n");
                let mut text =
                    format!("Failed to {partially}correct cluster state of release {release}:\n{failures}");
                if !nothing_done {
                    text.push_str("\n\nSuccessful corrections:\n");
                    text.push_str(&done);
                }
                Some(text)
            }
        }
    }
}

/// Why an object was not mended, by the words of the API server.
pub fn correction_failure(diff: &Diff, error: &str) -> String {
    let what = if diff.found == DiffType::Create {
        "creation"
    } else {
        "patch"
    };
    format!("{} {what} failure: {error}", resource_name(&diff.desired))
}

/// What may be told of the answer `Invalid` to the patch of a Secret: the reason at its end, without the values.
pub fn mask_error(error: &str) -> &str {
    error.rsplit_once(':').map_or(error, |(_, reason)| reason.trim())
}

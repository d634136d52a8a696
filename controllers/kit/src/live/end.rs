//! How a wait ended, and upstream's words for it.

use crate::object::{ObjectId, Subject};
use crate::readiness::Status;

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// All objects are ready.
    Ready,
    /// Some are not; each with its last status.
    NotReady {
        /// Whether the time ran out, as opposed to a failure that waiting does not mend.
        timed_out: bool,
        /// What was not ready, with the reason where the status is not known.
        objects: Vec<(ObjectId, Status, Option<String>)>,
    },
    /// An object of a namespaced kind was named without its namespace, so that nothing was looked at.
    NoNamespace(ObjectId),
}

impl WaitEnd {
    /// Gives upstream's text for objects that did not become ready.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::NotReady { timed_out, objects } => {
                let begin = if *timed_out {
                    "timeout waiting for"
                } else {
                    "failed early due to stalled resources"
                };
                let told = |(id, status, error): &(ObjectId, Status, Option<String>)| {
                    let why = error.as_ref().map(|error| format!(": {error}"));
                    let (id, status) = (Subject(id), status.as_str());
                    format!("{id} status: '{status}'{}", why.unwrap_or_default())
                };
                let list: Vec<String> = objects.iter().map(told).collect();
                Some(format!("{begin}: [{}]", list.join(", ")))
            }
            Self::NoNamespace(id) => {
                let group = if id.group.is_empty() { "" } else { "." };
                let kind = format!("{}{group}{}", id.kind, id.group);
                let name = &id.name;
                Some(format!(
                    "resource {kind} {name} is namespace scoped, but namespace is not set"
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_stands_behind_what_is_not_known() {
        let id = |name: &str| ObjectId {
            namespace: "apps".to_owned(),
            name: name.to_owned(),
            group: String::new(),
            kind: "Pod".to_owned(),
        };
        let objects = vec![
            (id("a"), Status::InProgress, None),
            (id("b"), Status::Unknown, Some("forbidden".to_owned())),
        ];
        let end = WaitEnd::NotReady {
            timed_out: true,
            objects,
        };
        assert_eq!(
            end.message().as_deref(),
            Some(
                "timeout waiting for: [Pod/apps/a status: 'InProgress', Pod/apps/b status: 'Unknown': forbidden]"
            )
        );
        assert_eq!(WaitEnd::Ready.message(), None);
    }
}

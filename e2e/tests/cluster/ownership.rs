//! Who has written what while objects moved, by the audit log: at any time one controller alone.
//!
//! An object whose label comes with the request to let it be is ours, and stock may end what it has begun: until the request is gone
//! or has run out, only stock writes.

use anyhow::{Result, ensure};
use e2e::testbed::{Namespace, Testbed, Write};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::beside::KEY;

/// An object that moves, and what it applies.
pub(crate) struct Moving {
    /// Plural of its kind.
    pub(crate) resource: &'static str,
    pub(crate) name: String,
    /// Plural of their kind, and name.
    pub(crate) workloads: Vec<(&'static str, String)>,
}

/// What looks for faults in writes.
pub(crate) type Check = fn(&[Write], &[Moving]) -> Vec<String>;

/// That one controller alone writes at any time, that both are seen to, and that what was applied is left alone.
pub(crate) const ALL: [Check; 3] = [two_writers, unseen, workload_writes];

/// Sees what is written of objects that move, from its start on.
pub(crate) struct Witness<'a> {
    testbed: &'a Testbed,
    namespace: &'a Namespace,
    objects: Vec<Moving>,
    /// How many writes there were before.
    known: usize,
}

impl<'a> Witness<'a> {
    pub(crate) async fn start(
        testbed: &'a Testbed,
        namespace: &'a Namespace,
        objects: Vec<Moving>,
    ) -> Result<Self> {
        let known = testbed.writes(namespace).await?.len();
        Ok(Self {
            testbed,
            namespace,
            objects,
            known,
        })
    }

    /// Makes sure that nothing is found in what was written since the start; gives how often objects became ours.
    pub(crate) async fn finds_no_fault(&self, checks: &[Check]) -> Result<usize> {
        let writes = self.testbed.writes(self.namespace).await?;
        let writes = &writes[self.known..];
        let faults = checks.iter().flat_map(|check| check(writes, &self.objects));
        let faults: Vec<_> = faults.collect();
        ensure!(faults.is_empty(), "{faults:#?}");
        Ok(moves(writes, &self.objects))
    }
}

/// A controller, as far as a write tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Stock,
    Ours,
}

/// By which ours is asked to let an object be, and for how long it does.
const HELD_SINCE: &str = "openfluxcd.ocm.software/held-since";
const HELD_FOR: SignedDuration = SignedDuration::from_secs(30);

const CONTROLLERS: [&str; 2] = ["kustomize-controller", "helm-controller"];

/// Stock says what it is; ours writes under the names of the same field managers, and says nothing.
fn writer(write: &Write) -> Option<Writer> {
    // Statuses of Kustomizations have a name of their own.
    let is_one = |text: &str| {
        let text = text.strip_prefix("gotk-").unwrap_or(text);
        CONTROLLERS.iter().any(|name| text.starts_with(name))
    };
    if is_one(&write.agent) {
        Some(Writer::Stock)
    } else if write.agent.is_empty() && is_one(&write.manager) {
        Some(Writer::Ours)
    } else {
        None
    }
}

/// A write of the label of an object: from when to when it was not known whether it is there, and what it is afterwards.
struct Turn<'a> {
    begun: &'a str,
    ended: &'a str,
    is_ours: bool,
    /// Whether ours lets it be.
    is_held: bool,
}

impl Turn<'_> {
    /// Whether a writer has the object in this turn, by when it wrote.
    fn is_of(&self, writer: Writer, write: &Write) -> bool {
        if self.is_held {
            return writer == Writer::Stock || has_run_out(self.begun, &write.begun).unwrap_or_default();
        }
        (writer == Writer::Ours) == self.is_ours
    }

    /// Whether it has the object while it is not known whether the turn has begun.
    fn may_be_of(&self, writer: Writer, write: &Write) -> bool {
        !self.is_held || self.is_of(writer, write)
    }
}

fn has_run_out(since: &str, now: &str) -> Option<bool> {
    let (since, now): (Timestamp, Timestamp) = (since.parse().ok()?, now.parse().ok()?);
    Some(now.duration_since(since) >= HELD_FOR)
}

/// The turns of an object, in their order.
fn turns<'a>(writes: &'a [Write], object: &Moving, faults: &mut Vec<String>) -> Vec<Turn<'a>> {
    let mut turns = Vec::new();
    let of_object = writes.iter().filter(|write| {
        write.resource == object.resource
            && write.name == object.name
            && write.subresource.is_empty()
            && is_done(write)
    });
    for write in of_object {
        let label = write
            .body
            .pointer("/metadata/labels")
            .and_then(|labels| labels.get(KEY));
        let annotations = write.body.pointer("/metadata/annotations");
        let held = annotations.and_then(|annotations| annotations.get(HELD_SINCE));
        let is_held = held.is_some_and(Value::is_string);
        let is_ours = match label {
            Some(Value::String(value)) if value == "openflux" => true,
            Some(Value::Null) => false,
            Some(other) => {
                faults.push(format!("{} got the label {other}", object.name));
                continue;
            }
            // What a manager does not apply any more goes; others have nothing to do with it.
            None if write.manager == "openflux-migrate" && write.body.get("apiVersion").is_some() => false,
            None => continue,
        };
        let is_other = |last: &Turn<'_>| last.is_ours != is_ours || last.is_held || is_held;
        if turns.last().is_none_or(is_other) {
            turns.push(Turn {
                begun: &write.begun,
                ended: &write.ended,
                is_ours,
                is_held,
            });
        }
    }
    turns
}

fn is_done(write: &Write) -> bool {
    !write.dry_run && (200..300).contains(&write.code)
}

/// What was written by a controller that did not have the object, of its status and of what it applies.
///
/// Before the first label an object is stock's. What is written while the label is, may be either's.
pub(crate) fn two_writers(writes: &[Write], objects: &[Moving]) -> Vec<String> {
    let mut faults = Vec::new();
    for object in objects {
        let turns = turns(writes, object, &mut faults);
        let of_object = |write: &&Write| {
            let is_status = write.resource == object.resource
                && write.name == object.name
                && write.subresource == "status";
            let mut workloads = object.workloads.iter();
            is_status || workloads.any(|(resource, name)| write.resource == *resource && write.name == *name)
        };
        for write in writes.iter().filter(|write| is_done(write)).filter(of_object) {
            let Some(writer) = writer(write) else { continue };
            // Those who may have had it from its beginning to its end.
            let at_begin = turns.iter().rfind(|turn| turn.ended <= write.begun.as_str());
            let mut meanwhile = turns
                .iter()
                .filter(|turn| turn.ended > write.begun.as_str() && turn.begun < write.ended.as_str());
            let had = at_begin.map_or(writer == Writer::Stock, |turn| turn.is_of(writer, write));
            if !had && !meanwhile.any(|turn| turn.may_be_of(writer, write)) {
                faults.push(format!(
                    "{writer:?} wrote {}/{} {} at {}, and had not {}",
                    write.resource, write.name, write.subresource, write.begun, object.name
                ));
            }
        }
    }
    faults
}

/// The controllers of which not one write of a status was seen: then nothing is said of them by finding no fault.
pub(crate) fn unseen(writes: &[Write], objects: &[Moving]) -> Vec<String> {
    let is_status = |write: &&Write| {
        let mut objects = objects.iter();
        is_done(write)
            && write.subresource == "status"
            && objects.any(|object| write.resource == object.resource && write.name == object.name)
    };
    let seen: Vec<_> = writes.iter().filter(is_status).filter_map(writer).collect();
    let unseen = [Writer::Stock, Writer::Ours].into_iter();
    let unseen = unseen.filter(|writer| !seen.contains(writer));
    unseen
        .map(|writer| format!("{writer:?} was not seen to write"))
        .collect()
}

/// How often objects became ours.
fn moves(writes: &[Write], objects: &[Moving]) -> usize {
    let turns = objects
        .iter()
        .flat_map(|object| turns(writes, object, &mut Vec::new()));
    turns.filter(|turn| turn.is_ours && !turn.is_held).count()
}

/// What was written of workloads, dry-runs aside.
pub(crate) fn workload_writes(writes: &[Write], objects: &[Moving]) -> Vec<String> {
    let workloads: Vec<_> = objects.iter().flat_map(|object| &object.workloads).collect();
    let is_of_workload = |write: &&Write| {
        workloads
            .iter()
            .any(|(resource, name)| write.resource == *resource && write.name == *name)
    };
    writes
        .iter()
        .filter(|write| is_done(write) && write.subresource.is_empty())
        .filter(is_of_workload)
        .map(|write| {
            format!(
                "{} {}/{} by {}{}",
                write.verb, write.resource, write.name, write.manager, write.agent
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(at: u32, agent: &str, manager: &str, subresource: &str, body: Value) -> Write {
        Write {
            verb: "patch".to_owned(),
            resource: "kustomizations".to_owned(),
            name: "app".to_owned(),
            subresource: subresource.to_owned(),
            manager: manager.to_owned(),
            dry_run: false,
            agent: agent.to_owned(),
            begun: format!("{at:03}"),
            ended: format!("{:03}", at + 5),
            code: 200,
            body,
        }
    }

    #[test]
    fn whoever_writes_what_it_has_not_is_found() {
        let app = [Moving {
            resource: "kustomizations",
            name: "app".to_owned(),
            workloads: Vec::new(),
        }];
        let stock = |at| write(at, "kustomize-controller/v0", "gotk", "status", Value::Null);
        let ours = |at| write(at, "", "gotk-kustomize-controller", "status", Value::Null);
        let label = |at| {
            let body = json!({"apiVersion": "v1", "metadata": {"labels": {KEY: "openflux"}}});
            write(at, "", "openflux-migrate", "", body)
        };
        let release = |at| {
            write(
                at,
                "",
                "openflux-migrate",
                "",
                json!({"apiVersion": "v1", "metadata": {}}),
            )
        };
        let good = [
            stock(1),
            label(10),
            stock(12),
            ours(13),
            ours(20),
            release(30),
            stock(40),
        ];
        assert_eq!(two_writers(&good, &app), Vec::<String>::new());
        assert_eq!(moves(&good, &app), 1);
        assert_eq!(unseen(&good, &app), Vec::<String>::new());
        assert_eq!(unseen(&[stock(1)], &app), ["Ours was not seen to write"]);
        assert_eq!(two_writers(&[label(10), stock(20)], &app).len(), 1);
        assert_eq!(two_writers(&[ours(1), label(10)], &app).len(), 1);
        assert_eq!(two_writers(&[label(10), release(20), ours(30)], &app).len(), 1);
        // Stock ends what it has begun while ours waits, and not after that.
        let hold = |at| {
            let metadata = json!({"labels": {KEY: "openflux"}, "annotations": {HELD_SINCE: "now"}});
            let body = json!({"apiVersion": "v1", "metadata": metadata});
            write(at, "", "openflux-migrate", "", body)
        };
        let good = [stock(1), hold(10), stock(20), label(30), ours(31), ours(40)];
        assert_eq!(two_writers(&good, &app), Vec::<String>::new());
        assert_eq!(moves(&good, &app), 1);
        assert_eq!(two_writers(&[hold(10), ours(20)], &app).len(), 1);
        assert_eq!(two_writers(&[hold(10), label(20), stock(30)], &app).len(), 1);
        let timed = |mut write: Write, begun: &str| {
            (write.begun, write.ended) = (
                format!("2026-01-01T00:{begun}.0Z"),
                format!("2026-01-01T00:{begun}.1Z"),
            );
            write
        };
        let alone = [timed(hold(1), "00:10"), timed(ours(1), "00:41")];
        assert_eq!(two_writers(&alone, &app), Vec::<String>::new());
        let early = [timed(hold(1), "00:10"), timed(ours(1), "00:39")];
        assert_eq!(two_writers(&early, &app).len(), 1);
    }
}

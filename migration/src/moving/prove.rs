//! Proving, right before a move, that it would change nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use flux_fleet::plan::{MigrationPlan, PlannedObject};
use flux_fleet::scan::Class;
use flux_fleet::text::clean;
use flux_fleet::{Handle, State, Subject};
use flux_proof::{Answer, Name};
use futures::future::LocalBoxFuture;
use tokio::time::Instant;

use crate::cluster::Controller;

/// How often our controller is asked about an object that it may not have seen the last run of.
const ATTEMPTS: usize = 4;
/// How long it has until it is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it has once it was asked that often.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// What was seen of an object when stock had just ended a run: what has to be the same when the label is set.
pub(crate) struct Seen {
    pub(crate) handle: Handle,
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) version: String,
    pub(crate) subject: Subject,
    /// Namespace and name of the records of a release.
    pub(crate) release: Option<(String, String)>,
    /// Whether the label is taken over from somebody at a terminal.
    pub(crate) is_forced: bool,
}

/// What came of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    /// Nothing would be written; how that was found out.
    Identical(String),
    /// Something would be.
    Not(String),
    /// It was not ready to be proven in time; why.
    NotNow(String),
    /// Nobody could say; why.
    Unknown(String),
}

/// Whoever can tell what the next run of our controller would change.
pub(crate) trait Prover {
    /// Proves that moving an object changes nothing.
    fn prove<'a>(&'a self, seen: &'a Seen) -> LocalBoxFuture<'a, Proven>;
}

/// Asks our controller about each object when its turn has come; where it cannot be asked, a plan says what it has proven.
pub(crate) struct Asking {
    /// The controller, or why it cannot be asked.
    pub(crate) controller: Result<Controller, String>,
    pub(crate) planned: Planned,
    /// How long it is asked about what is not ready yet.
    pub(crate) patience: Duration,
}

impl Prover for Asking {
    fn prove<'a>(&'a self, seen: &'a Seen) -> LocalBoxFuture<'a, Proven> {
        Box::pin(async {
            if seen.subject.state == State::Suspended {
                // No run renders it, neither now nor after the move.
                return Proven::Unknown("it is suspended".to_owned());
            }
            match &self.controller {
                Ok(controller) => {
                    let asked = ask(controller, seen, self.patience).await;
                    fall_back(asked, || self.planned.recall(seen))
                }
                Err(why) => match self.planned.recall(seen) {
                    Proven::Unknown(plan) => Proven::Unknown(format!("{plan}, and {why}")),
                    recalled => recalled,
                },
            }
        })
    }
}

/// What counts when our controller was there in the beginning: what it cannot say any more, only a plan can, and else nothing moves.
fn fall_back(asked: Proven, recall: impl FnOnce() -> Proven) -> Proven {
    let Proven::Unknown(why) = asked else {
        return asked;
    };
    match recall() {
        Proven::Unknown(plan) => Proven::Not(format!("it cannot be proven: {why}, and {plan}")),
        recalled => recalled,
    }
}

async fn ask(controller: &Controller, seen: &Seen, patience: Duration) -> Proven {
    let until = Instant::now() + patience;
    let mut asked = 0;
    loop {
        let mut answered = None;
        let objects = vec![Name::from(&seen.handle)];
        let asking = controller.shadow(objects, false, |answer| answered = Some(answer));
        match (asking.await, answered) {
            (Err(error), _) => return Proven::Unknown(error.to_string()),
            (Ok(()), None) => return Proven::Unknown("our controller says nothing about it".to_owned()),
            (Ok(()), Some(answer)) => {
                asked += 1;
                let is_late = asked >= ATTEMPTS;
                let pause = if is_late { LONG_PAUSE } else { PAUSE };
                match earliness(&answer) {
                    Earliness::None => return judge(&answer),
                    Earliness::Caches if is_late => return judge(&answer),
                    Earliness::Cluster if is_late && Instant::now() + pause > until => {
                        return not_now(judge(&answer));
                    }
                    Earliness::Caches | Earliness::Cluster => tokio::time::sleep(pause).await,
                }
            }
        }
    }
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Earliness {
    /// It does not.
    None,
    /// Once the caches of our controller have caught up with stock's run, which takes a moment.
    Caches,
    /// Once its artifact or what it depends on is ready, which may take long.
    Cluster,
}

/// Says whether only that stands in the way which is gone in a while.
fn earliness(answer: &Answer) -> Earliness {
    let codes: Vec<&str> = answer
        .findings
        .iter()
        .filter(|finding| !finding.is_remark())
        .map(|finding| &*finding.code)
        .collect();
    let all = |early: &[&str]| !codes.is_empty() && codes.iter().all(|code| early.contains(code));
    if all(&["M104", "M105"]) {
        Earliness::Cluster
    } else if all(&["M104", "M105", "M120"]) {
        Earliness::Caches
    } else {
        Earliness::None
    }
}

fn not_now(judged: Proven) -> Proven {
    match judged {
        Proven::Not(why) => Proven::NotNow(why),
        other => other,
    }
}

/// Says what an answer of our controller means for a move.
fn judge(answer: &Answer) -> Proven {
    let stands_in_the_way: Vec<_> = answer
        .findings
        .iter()
        .filter(|finding| !finding.is_remark())
        .map(|finding| format!("{} {}", clean(&finding.code), clean(&finding.why)))
        .collect();
    match &answer.proof {
        _ if !stands_in_the_way.is_empty() => Proven::Not(stands_in_the_way.join("; ")),
        Some(proof) if answer.is_proven() => Proven::Identical(format!(
            "proven {}/{}",
            proof.counts.identical, proof.counts.compared
        )),
        _ => Proven::Unknown("our controller could not compare it".to_owned()),
    }
}

/// What a plan has proven, as long as the objects are those that it is about. Without a plan nothing is proven: the guard before a
/// move and the comparison after it are what there is.
pub(crate) struct Planned(pub(crate) Option<MigrationPlan>);

impl Prover for Planned {
    fn prove<'a>(&'a self, seen: &'a Seen) -> LocalBoxFuture<'a, Proven> {
        Box::pin(async { self.recall(seen) })
    }
}

impl Planned {
    fn recall(&self, seen: &Seen) -> Proven {
        let Some(plan) = &self.0 else {
            return Proven::Unknown("there is no plan".to_owned());
        };
        let Some(planned) = plan.objects.iter().find(|planned| planned.object == seen.handle) else {
            return Proven::Not("the plan does not know it".to_owned());
        };
        if let Some(what) = differs(planned, seen) {
            return Proven::Not(format!(
                "the plan is about another state of it ({what}): openflux migrate plan makes a new one"
            ));
        }
        if !matches!(planned.verdict, Class::CanMove) {
            let codes: Vec<_> = planned.findings.iter().map(|finding| &*finding.code).collect();
            return Proven::Not(format!("the plan says that it cannot move: {}", codes.join(", ")));
        }
        match &planned.proof {
            Some(proof) if proof.counts.is_nothing_written() => Proven::Identical(format!(
                "proven {}/{} by the plan",
                proof.counts.identical, proof.counts.compared
            )),
            Some(_) => Proven::Not("the plan says that objects would be written".to_owned()),
            None => Proven::Unknown("the plan has no proof of it".to_owned()),
        }
    }
}

/// What is not as the plan has it.
fn differs(planned: &PlannedObject, seen: &Seen) -> Option<&'static str> {
    let entries = seen.subject.inventory.iter().flatten();
    let inventory: BTreeSet<&str> = entries.map(|entry| entry.id.as_str()).collect();
    let planned_inventory: BTreeSet<&str> = planned.inventory.iter().map(String::as_str).collect();
    if planned.uid != seen.uid {
        Some("it was made anew")
    } else if planned.generation != seen.generation {
        Some("its spec changed")
    } else if planned_inventory != inventory {
        Some("its inventory changed")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use flux_fleet::DeployerKind;
    use serde_json::{Value, json};

    use super::*;

    fn plan(change: &Value) -> Planned {
        let mut object = json!({
            "object": "ks/apps/app", "uid": "1", "generation": 3, "verdict": "canMove", "wave": 1,
            "proof": {"by": "controller", "version": "0.1.0", "revision": "main@sha1:00", "artifact": "sha256:00",
                "counts": {"compared": 2, "identical": 2, "created": 0, "changed": 0, "deleted": 0, "skipped": 0}},
            "inventory": ["apps_a__ConfigMap"],
        });
        for (key, value) in change.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        let plan = json!({
            "apiVersion": flux_fleet::API_VERSION, "kind": "MigrationPlan", "id": "p",
            "created": "2026-01-01T00:00:00Z", "cluster": {}, "versions": {},
            "label": {"key": "k", "value": "v"}, "objects": [object],
        });
        Planned(Some(MigrationPlan::read(&plan.to_string()).unwrap()))
    }

    fn seen() -> Seen {
        let object = json!({
            "metadata": {"name": "app", "namespace": "apps"},
            "spec": {"sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": {"inventory": {"entries": [{"id": "apps_a__ConfigMap", "v": "v1"}]}},
        });
        let object: flux_api::Tolerant<flux_api::Kustomization> = serde_json::from_value(object).unwrap();
        Seen {
            handle: Handle::new(DeployerKind::Kustomization, "apps", "app"),
            uid: "1".to_owned(),
            generation: 3,
            version: "7".to_owned(),
            subject: Subject::from(&object),
            release: None,
            is_forced: false,
        }
    }

    #[test]
    fn what_our_controller_answers_decides() {
        let judged = |answer: Value| {
            let answer: Answer = serde_json::from_value(answer).unwrap();
            format!("{:?}", judge(&answer))
        };
        let counts = json!({"compared": 2, "identical": 2});
        let proof = json!({"revision": "main@sha1:00", "counts": counts});
        assert_eq!(judged(json!({"proof": proof})), "Identical(\"proven 2/2\")");
        let remark = json!([{"code": "M203", "why": "not in Git"}]);
        assert_eq!(
            judged(json!({"proof": proof, "findings": remark})),
            "Identical(\"proven 2/2\")"
        );
        let drift = json!([{"code": "M201", "why": "its image was set by kubectl"}, {"code": "M203", "why": "not in Git"}]);
        assert_eq!(
            judged(json!({"proof": proof, "findings": drift})),
            "Not(\"M201 its image was set by kubectl\")"
        );
        let unknown = "Unknown(\"our controller could not compare it\")";
        assert_eq!(judged(json!({})), unknown);
        assert_eq!(
            judged(json!({"proof": {"counts": {"compared": 2, "identical": 1, "changed": 1}}})),
            unknown
        );
    }

    #[test]
    fn what_is_not_ready_yet_is_asked_about_again() {
        let early = |codes: &[&str]| {
            let findings: Vec<_> = codes
                .iter()
                .map(|code| json!({"code": code, "why": "why"}))
                .collect();
            let answer: Answer = serde_json::from_value(json!({"findings": findings})).unwrap();
            earliness(&answer)
        };
        assert_eq!(early(&[]), Earliness::None);
        assert_eq!(early(&["M203"]), Earliness::None);
        assert_eq!(early(&["M105", "M203"]), Earliness::Cluster);
        assert_eq!(early(&["M104", "M105"]), Earliness::Cluster);
        assert_eq!(early(&["M104", "M120"]), Earliness::Caches);
        assert_eq!(early(&["M104", "M201"]), Earliness::None);
        let not = || "M105 why".to_owned();
        assert_eq!(not_now(Proven::Not(not())), Proven::NotNow(not()));
    }

    #[test]
    fn without_the_controller_that_was_there_a_plan_counts_and_else_nothing_moves() {
        let unknown = |why: &str| Proven::Unknown(why.to_owned());
        let identical = || Proven::Identical("proven 2/2 by the plan".to_owned());
        let not = || Proven::Not("the plan does not know it".to_owned());
        assert_eq!(fall_back(unknown("silence"), identical), identical());
        assert_eq!(fall_back(unknown("silence"), not), not());
        assert_eq!(
            fall_back(unknown("silence"), || unknown("there is no plan")),
            Proven::Not("it cannot be proven: silence, and there is no plan".to_owned())
        );
        assert_eq!(fall_back(not(), identical), not());
    }

    #[track_caller]
    fn check(change: &Value, expected: &str) {
        assert_eq!(format!("{:?}", plan(change).recall(&seen())), expected);
    }

    #[test]
    fn a_plan_counts_as_long_as_the_object_is_what_it_is_about() {
        check(&json!({}), r#"Identical("proven 2/2 by the plan")"#);
        let other = |what: &str| {
            format!(
                r#"Not("the plan is about another state of it ({what}): openflux migrate plan makes a new one")"#
            )
        };
        check(&json!({"uid": "2"}), &other("it was made anew"));
        check(&json!({"generation": 2}), &other("its spec changed"));
        check(&json!({"inventory": []}), &other("its inventory changed"));
        check(
            &json!({"proof": null}),
            r#"Unknown("the plan has no proof of it")"#,
        );
        check(
            &json!({"verdict": "notNow"}),
            r#"Not("the plan says that it cannot move: ")"#,
        );
        check(
            &json!({"object": "ks/apps/other"}),
            r#"Not("the plan does not know it")"#,
        );
        assert_eq!(
            Planned(None).recall(&seen()),
            Proven::Unknown("there is no plan".to_owned())
        );
    }
}

//! The obligations of a Kustomization: what has to hold so that another controller writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use flux_api::{
    ConditionStatus, ConditionsExt, HEALTHY, InventoryEntry, Kustomization, READY, RECONCILING, STALLED,
    reason,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{Config, Counts, Finding};

/// How many findings of one Kustomization are told.
const TOLD: usize = 50;

/// How many differences of one Kustomization are listed.
const LISTED: usize = 1000;

/// What was found out about a Kustomization.
#[derive(Clone, Debug, Default)]
pub struct KustomizationFacts {
    /// The revision of the artifact that was rendered.
    pub revision: String,
    /// The revision that its source has come from, if it says.
    pub origin_revision: String,
    /// When the artifact was made.
    pub artifact_updated: Option<Time>,
    /// The digest of what was rendered.
    pub checksum: String,
    /// Everything that was rendered, in the order in which it is applied.
    pub objects: Vec<ObjectFacts>,
    /// The ConfigMaps and Secrets that were read.
    pub configs: Vec<Config>,
}

/// What applying one rendered object would do.
#[derive(Clone, Debug)]
pub struct ObjectFacts {
    /// Its entry in the inventory.
    pub entry: InventoryEntry,
    /// The object as people read it, such as `Deployment/apps/web`.
    pub name: String,
    /// What would become of it.
    pub fate: Fate,
}

/// What would become of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A marker says to leave it alone.
    Skipped,
    /// It is not there, and would be created.
    Created,
    /// It is compared with the live one; nothing if it is the same.
    Compared(Vec<Finding>),
    /// Nobody knows, because the API server does not say.
    Refused(Finding),
}

/// Judges a Kustomization; what is found comes with how many objects were compared.
pub fn judge(object: &Kustomization, facts: &KustomizationFacts) -> (Counts, Vec<Finding>) {
    let (counts, mut differences) = compared(object, facts);
    let mut findings = unsettled(object, facts);
    if !findings.is_empty() {
        // What stock has applied was not made of this input, so that it says nothing about who is at fault.
        differences.retain(|finding| !is_about_rendering(&finding.code));
    } else if differences.is_empty() {
        differences = status(object, facts);
    }
    findings.extend(differences);
    if findings.len() > TOLD {
        let more = findings.len() - TOLD;
        findings.truncate(TOLD);
        let code = findings.last().map(|last| last.code.clone()).unwrap_or_default();
        findings.push(Finding {
            code,
            why: format!("and {more} more"),
            ..Finding::default()
        });
    }
    (counts, findings)
}

/// Tells everything that would change, whoever is at fault; what is more than can be told is left out.
pub fn differences(object: &Kustomization, facts: &KustomizationFacts) -> Vec<Finding> {
    let (_, mut differences) = compared(object, facts);
    differences.truncate(LISTED);
    differences
}

fn is_about_rendering(code: &str) -> bool {
    matches!(code, "M106" | "M107" | "M108" | "M109")
}

/// Whether the digest in the history says that stock rendered the very same.
pub fn is_same_rendering(object: &Kustomization, checksum: &str) -> bool {
    let latest = object.status.history.latest();
    latest.is_some_and(|latest| latest.digest == checksum)
}

/// Stock has settled on this very input, or nothing can be compared with what it has applied.
fn unsettled(object: &Kustomization, facts: &KustomizationFacts) -> Vec<Finding> {
    let status = &object.status;
    let is = |type_: &str| status.conditions.has_status(type_, ConditionStatus::True);
    let ready = status.conditions.get_condition(READY);
    let mut causes = Vec::new();
    if object.metadata.generation != Some(status.observed_generation) {
        causes.push("its spec was changed, and not reconciled yet".to_owned());
    }
    if is(STALLED) || ready.is_some_and(|ready| ready.status == "False") {
        let why = ready.map(|ready| ready.reason.as_str()).unwrap_or_default();
        causes.push(format!("it fails: {why}"));
    } else if !is(READY) || is(RECONCILING) {
        causes.push("its controller is at work on it".to_owned());
    }
    if status.last_applied_revision != facts.revision {
        causes.push(format!(
            "it has applied {}, and its source is at {}",
            status.last_applied_revision, facts.revision
        ));
    }
    if let Some(last) = status.history.latest().map(|latest| &latest.last_reconciled) {
        if facts
            .artifact_updated
            .as_ref()
            .is_some_and(|updated| updated.0 > last.0)
        {
            causes.push("the artifact was made anew since the last run".to_owned());
        }
        let newer = facts.configs.iter().filter(|config| {
            let changed = config.changed.as_ref();
            // Both are whole seconds.
            changed.is_some_and(|changed| changed.0 >= last.0)
        });
        causes.extend(newer.map(|config| {
            format!(
                "{} {} was changed since the last run, which has not read it",
                config.kind, config.name
            )
        }));
    }
    causes.into_iter().map(|why| Finding::new("M104", why)).collect()
}

/// What would become of the objects: those that were rendered, and those that were not any more.
fn compared(object: &Kustomization, facts: &KustomizationFacts) -> (Counts, Vec<Finding>) {
    let listed = object.status.inventory.clone().unwrap_or_default().entries;
    let known: BTreeMap<&str, &str> = listed
        .iter()
        .map(|entry| (entry.id.as_str(), entry.version.as_str()))
        .collect();
    let (mut counts, mut findings) = (Counts::default(), Vec::new());
    for ObjectFacts { entry, name, fate } in &facts.objects {
        counts.compared += 1;
        let listed = known.get(entry.id.as_str());
        let mut of_object = match fate {
            Fate::Skipped => {
                counts.skipped += 1;
                Vec::new()
            }
            Fate::Created if listed.is_some() => {
                counts.created += 1;
                let why = "it was deleted after stock applied it; an apply brings it back";
                vec![Finding::new("M201", why).about(name)]
            }
            Fate::Created => {
                counts.created += 1;
                vec![Finding::new("M107", "it is not there, and stock has not listed it").about(name)]
            }
            Fate::Compared(differences) => {
                if !differences.is_empty() {
                    counts.changed += 1;
                }
                differences.clone()
            }
            Fate::Refused(finding) => vec![finding.clone()],
        };
        match listed {
            Some(version) if **version != *entry.version => of_object.push(Finding {
                path: "apiVersion".to_owned(),
                ..Finding::new("M108", format!("stock has applied it as {version}")).about(name)
            }),
            None if of_object.is_empty() => {
                of_object.push(Finding::new("M107", "stock has not listed it").about(name));
            }
            Some(_) | None => {}
        }
        if of_object.is_empty() {
            counts.identical += 1;
        }
        findings.extend(of_object);
    }
    let rendered: BTreeSet<&str> = facts
        .objects
        .iter()
        .map(|object| object.entry.id.as_str())
        .collect();
    for entry in listed
        .iter()
        .filter(|entry| !rendered.contains(entry.id.as_str()))
    {
        counts.deleted += 1;
        let name = match entry.object_id() {
            Ok(id) if id.namespace.is_empty() => format!("{}/{}", id.kind, id.name),
            Ok(id) => format!("{}/{}/{}", id.kind, id.namespace, id.name),
            Err(_) => entry.id.clone(),
        };
        let why = if object.spec.prune {
            "it is listed, and was not rendered: it would be deleted"
        } else {
            "it is listed, and was not rendered: it would not be listed any more"
        };
        findings.push(Finding::new("M106", why).about(name));
    }
    (counts, findings)
}

/// What the status says has to be what ours would write.
fn status(object: &Kustomization, facts: &KustomizationFacts) -> Vec<Finding> {
    let status = &object.status;
    let mut findings = Vec::new();
    let entries = facts.objects.iter().map(|object| &object.entry);
    let listed = status.inventory.iter().flat_map(|inventory| &inventory.entries);
    if !entries.eq(listed) {
        let why = "the objects are the same, and would be listed in another order";
        findings.push(status_finding("M108", "status.inventory", why));
    }
    let ready = status.conditions.get_condition(READY);
    let expected = format!("Applied revision: {}", facts.revision);
    let says_so = ready
        .is_some_and(|ready| ready.reason == reason::RECONCILIATION_SUCCEEDED && ready.message == expected);
    if !says_so {
        let why = "Ready says something else than after a run that applied this revision";
        findings.push(status_finding("M104", "status.conditions", why));
    }
    let waits = object.spec.wait || !object.spec.health_checks.is_empty();
    let is_healthy = status.conditions.has_status(HEALTHY, ConditionStatus::True);
    if waits && !is_healthy {
        findings.push(status_finding("M104", "status.conditions", "Healthy is not True"));
    }
    if status.last_applied_origin_revision != facts.origin_revision {
        let why = "it is not that of the artifact";
        findings.push(status_finding("M104", "status.lastAppliedOriginRevision", why));
    }
    if findings.is_empty() && !is_same_rendering(object, &facts.checksum) {
        let why = "the history gets another digest, although every object is the same";
        findings.push(status_finding("M207", "status.history", why));
    }
    findings
}

fn status_finding(code: &'static str, path: &str, why: &str) -> Finding {
    Finding {
        path: path.to_owned(),
        ..Finding::new(code, why)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(change: &[(&str, Value)]) -> Kustomization {
        let condition = |kind: &str, message: &str| {
            json!({"type": kind, "status": "True", "reason": "ReconciliationSucceeded", "message": message,
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let mut object = json!({
            "metadata": {"name": "app", "namespace": "apps", "generation": 2},
            "spec": {"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": {"observedGeneration": 2, "lastAppliedRevision": "main@sha1:00",
                "conditions": [condition("Ready", "Applied revision: main@sha1:00")],
                "inventory": {"entries": [{"id": "apps_a__ConfigMap", "v": "v1"}, {"id": "apps_b__ConfigMap", "v": "v1"}]},
                "history": [{"digest": "sha256:11", "firstReconciled": "2026-01-01T00:00:00Z",
                    "lastReconciled": "2026-01-01T00:10:00Z", "lastReconciledDuration": "1s",
                    "lastReconciledStatus": "ReconciliationSucceeded", "totalReconciliations": 2}]},
        });
        for (pointer, value) in change {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn applied(name: &str, fate: Fate) -> ObjectFacts {
        ObjectFacts {
            entry: InventoryEntry {
                id: format!("apps_{name}__ConfigMap"),
                version: "v1".to_owned(),
            },
            name: format!("ConfigMap/apps/{name}"),
            fate,
        }
    }

    fn same(name: &str) -> ObjectFacts {
        applied(name, Fate::Compared(Vec::new()))
    }

    fn facts(objects: Vec<ObjectFacts>) -> KustomizationFacts {
        KustomizationFacts {
            revision: "main@sha1:00".to_owned(),
            checksum: "sha256:11".to_owned(),
            objects,
            ..KustomizationFacts::default()
        }
    }

    #[track_caller]
    fn check(object: &Kustomization, facts: &KustomizationFacts, codes: &[&str], counts: [usize; 6]) {
        let (found, findings) = judge(object, facts);
        let found_codes: Vec<_> = findings.iter().map(|finding| &*finding.code).collect();
        assert_eq!(found_codes, codes, "{findings:?}");
        let Counts {
            compared,
            identical,
            created,
            changed,
            deleted,
            skipped,
        } = found;
        assert_eq!([compared, identical, created, changed, deleted, skipped], counts);
    }

    #[test]
    fn every_obligation_has_its_finding() {
        let both = || vec![same("a"), same("b")];
        let ok = object(&[]);
        let changed = |code| applied("b", Fate::Compared(vec![Finding::new(code, "why")]));
        check(&ok, &facts(both()), &[], [2, 2, 0, 0, 0, 0]);
        // K3: the same set, in the same order, in the same versions.
        check(&ok, &facts(vec![same("a")]), &["M106"], [1, 1, 0, 0, 1, 0]);
        check(
            &ok,
            &facts(vec![same("a"), same("b"), same("c")]),
            &["M107"],
            [3, 2, 0, 0, 0, 0],
        );
        check(
            &ok,
            &facts(vec![same("a"), same("b"), applied("c", Fate::Created)]),
            &["M107"],
            [3, 2, 1, 0, 0, 0],
        );
        check(
            &ok,
            &facts(vec![same("a"), applied("b", Fate::Created)]),
            &["M201"],
            [2, 1, 1, 0, 0, 0],
        );
        check(
            &ok,
            &facts(vec![same("b"), same("a")]),
            &["M108"],
            [2, 2, 0, 0, 0, 0],
        );
        let mut other_version = facts(both());
        other_version.objects[1].entry.version = "v2".to_owned();
        check(&ok, &other_version, &["M108"], [2, 1, 0, 0, 0, 0]);
        // K4 to K6.
        check(
            &ok,
            &facts(vec![same("a"), changed("M108")]),
            &["M108"],
            [2, 1, 0, 1, 0, 0],
        );
        check(
            &ok,
            &facts(vec![same("a"), changed("M201")]),
            &["M201"],
            [2, 1, 0, 1, 0, 0],
        );
        check(
            &ok,
            &facts(vec![same("a"), applied("b", Fate::Skipped)]),
            &[],
            [2, 2, 0, 0, 0, 1],
        );
        let refused = applied("b", Fate::Refused(Finding::new("M110", "why")));
        check(
            &ok,
            &facts(vec![same("a"), refused]),
            &["M110"],
            [2, 1, 0, 0, 0, 0],
        );
        // K7.
        let other = object(&[("/status/conditions/0/message", json!("something else"))]);
        check(&other, &facts(both()), &["M104"], [2, 2, 0, 0, 0, 0]);
        let waits = object(&[("/spec/wait", json!(true))]);
        check(&waits, &facts(both()), &["M104"], [2, 2, 0, 0, 0, 0]);
        let mut digest = facts(both());
        digest.checksum = "sha256:22".to_owned();
        check(&ok, &digest, &["M207"], [2, 2, 0, 0, 0, 0]);
    }

    #[test]
    fn nobody_is_at_fault_while_stock_has_not_settled_on_the_input() {
        let changed = || {
            vec![
                same("a"),
                applied("b", Fate::Compared(vec![Finding::new("M108", "why")])),
            ]
        };
        for change in [
            ("/metadata/generation", json!(3)),
            ("/status/lastAppliedRevision", json!("main@sha1:ff")),
            ("/status/conditions/0/status", json!("False")),
            ("/status/conditions/0/status", json!("Unknown")),
        ] {
            let object = object(&[change]);
            check(&object, &facts(changed()), &["M104"], [2, 1, 0, 1, 0, 0]);
        }
        let time = |text: &str| serde_json::from_value::<Time>(json!(text)).unwrap();
        let config = |at: &str| Config {
            kind: "ConfigMap".to_owned(),
            name: "vars".to_owned(),
            version: Some("7".to_owned()),
            changed: Some(time(at)),
        };
        let mut newer = facts(changed());
        newer.configs = vec![config("2026-01-01T00:11:00Z")];
        check(&object(&[]), &newer, &["M104"], [2, 1, 0, 1, 0, 0]);
        newer.configs = vec![config("2026-01-01T00:09:00Z")];
        check(&object(&[]), &newer, &["M108"], [2, 1, 0, 1, 0, 0]);
        newer.artifact_updated = Some(time("2026-01-01T00:11:00Z"));
        check(&object(&[]), &newer, &["M104"], [2, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn what_is_told_is_bounded() {
        let objects = (0..1000).map(|at| applied(&format!("n{at}"), Fate::Created));
        let (counts, findings) = judge(&object(&[]), &facts(objects.collect()));
        assert_eq!((counts.created, findings.len()), (1000, TOLD + 1));
        assert_eq!(findings[TOLD].why, "and 952 more");
    }
}

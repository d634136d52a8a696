//! The rules for built-in kinds, each in upstream's order, because the first one that applies gives the message.

use std::borrow::Cow;

use serde_json::Value;

use super::fields::{Condition, Malformed, conditions, get, int, integer, shown_kind, string};
use super::{Kind, Readiness, Status, because_of};

/// How long no node may take a Pod before it counts as failed.
const SCHEDULE_WINDOW: i64 = 15;

/// A Deployment with this deadline has none.
const NO_DEADLINE: i64 = i32::MAX as i64;

type Verdict = Result<Readiness, Malformed>;

/// Gives the rule of a kind that has one.
pub(super) fn rule(kind: &Kind<'_>) -> Option<fn(&Value) -> Verdict> {
    Some(match (kind.group, kind.name) {
        ("apps" | "extensions", "Deployment") => deployment,
        ("apps" | "extensions", "ReplicaSet") => replica_set,
        ("apps" | "extensions", "DaemonSet") => daemon_set,
        ("apps", "StatefulSet") => stateful_set,
        ("", "Pod") => pod,
        ("", "PersistentVolumeClaim") => persistent_volume_claim,
        ("", "Service") => service,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition,
        ("policy", "PodDisruptionBudget") => |_| current("AllowedDisruptions has been computed."),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => |_| current("Resource is always ready"),
        _ => return None,
    })
}

/// What a Pod that no node takes is in the end.
pub(super) fn unschedulable() -> Readiness {
    Readiness::new(Status::Failed, "Pod could not be scheduled")
}

fn deployment(object: &Value) -> Verdict {
    // Without a deadline the controller never says that its newest ReplicaSet is available.
    let mut progressing = int(object, &["spec", "progressDeadlineSeconds"], NO_DEADLINE) == NO_DEADLINE;
    let mut is_available = false;
    for condition in conditions(object)? {
        match condition {
            Condition {
                kind: "Progressing",
                reason: "ProgressDeadlineExceeded",
                ..
            } => return failed("Progress deadline exceeded"),
            Condition {
                kind: "Progressing",
                status: "True",
                reason: "NewReplicaSetAvailable",
                ..
            } => progressing = true,
            Condition {
                kind: "Available",
                status: "True",
                ..
            } => is_available = true,
            _ => {}
        }
    }
    let wanted = int(object, &["spec", "replicas"], 1);
    let have = int(object, &["status", "replicas"], 0);
    let updated = int(object, &["status", "updatedReplicas"], 0);
    let ready = int(object, &["status", "readyReplicas"], 0);
    let available = int(object, &["status", "availableReplicas"], 0);
    if wanted > have {
        in_progress(format!("Replicas: {have}/{wanted}"))
    } else if wanted > updated {
        in_progress(format!("Updated: {updated}/{wanted}"))
    } else if have > wanted {
        in_progress(format!("Pending termination: {}", have - wanted))
    } else if updated > available {
        in_progress(format!("Available: {available}/{updated}"))
    } else if wanted > ready {
        in_progress(format!("Ready: {ready}/{wanted}"))
    } else if !progressing {
        in_progress("ReplicaSet not Available")
    } else if !is_available {
        in_progress("Deployment not Available")
    } else {
        current(format!("Deployment is available. Replicas: {have}"))
    }
}

fn stateful_set(object: &Value) -> Verdict {
    if string(object, &["spec", "updateStrategy", "type"], "") == "OnDelete" {
        return current("StatefulSet is using the ondelete update strategy");
    }
    let wanted = int(object, &["spec", "replicas"], 1);
    let have = int(object, &["status", "replicas"], 0);
    let ready = int(object, &["status", "readyReplicas"], 0);
    let at_current = int(object, &["status", "currentReplicas"], 0);
    let updated = int(object, &["status", "updatedReplicas"], 0);
    let partition = int(
        object,
        &["spec", "updateStrategy", "rollingUpdate", "partition"],
        -1,
    );
    let revision = |name| string(object, &["status", name], "");
    if wanted > have {
        in_progress(format!("Replicas: {have}/{wanted}"))
    } else if wanted > ready {
        in_progress(format!("Ready: {ready}/{wanted}"))
    } else if have > wanted {
        in_progress(format!("Pending termination: {}", have - wanted))
    } else if partition != -1 {
        let moved = wanted.saturating_sub(partition);
        if updated < moved {
            in_progress(format!("updated: {updated}/{moved}"))
        } else {
            current(format!("Partition rollout complete. updated: {updated}"))
        }
    } else if wanted > at_current {
        in_progress(format!("current: {at_current}/{wanted}"))
    } else if revision("currentRevision") != revision("updateRevision") {
        in_progress("Waiting for updated revision to match current")
    } else {
        current(format!("All replicas scheduled as expected. Replicas: {have}"))
    }
}

fn replica_set(object: &Value) -> Verdict {
    let failing =
        |condition: &Condition<'_>| (condition.kind, condition.status) == ("ReplicaFailure", "True");
    if conditions(object)?.iter().any(failing) {
        return in_progress("Replica Failure condition. Check Pods");
    }
    let wanted = int(object, &["spec", "replicas"], 1);
    let have = int(object, &["status", "replicas"], 0);
    for (word, field) in [
        ("Labelled", "fullyLabeledReplicas"),
        ("Available", "availableReplicas"),
        ("Ready", "readyReplicas"),
    ] {
        let count = int(object, &["status", field], 0);
        if wanted > count {
            return in_progress(format!("{word}: {count}/{wanted}"));
        }
    }
    if have > wanted {
        in_progress(format!("Pending termination: {}", have - wanted))
    } else {
        current(format!("ReplicaSet is available. Replicas: {have}"))
    }
}

fn daemon_set(object: &Value) -> Verdict {
    // Its controller sets both, so that without them it has not looked yet.
    for path in [["metadata", "generation"], ["status", "observedGeneration"]] {
        if integer(object, &path)?.is_none() {
            return in_progress(format!("{} {} not found", shown_kind(object), path.join(".")));
        }
    }
    let wanted = int(object, &["status", "desiredNumberScheduled"], -1);
    if wanted == -1 {
        return in_progress("Missing .status.desiredNumberScheduled");
    }
    for (word, field) in [
        ("Current", "currentNumberScheduled"),
        ("Updated", "updatedNumberScheduled"),
        ("Available", "numberAvailable"),
        ("Ready", "numberReady"),
    ] {
        let count = int(object, &["status", field], 0);
        if wanted > count {
            return in_progress(format!("{word}: {count}/{wanted}"));
        }
    }
    current(format!("All replicas scheduled as expected. Replicas: {wanted}"))
}

/// Flux's own rule: a Job is ready when it has completed, and the rules for all kinds do not apply to it.
pub(super) fn job(object: &Value) -> Verdict {
    let suspend = get(object, &["spec", "suspend"]).ok().flatten();
    if suspend == Some(&Value::Bool(true)) {
        return current("Job is suspended");
    }
    let parallelism = int(object, &["spec", "parallelism"], 1);
    let completions = int(object, &["spec", "completions"], parallelism);
    let active = int(object, &["status", "active"], 0);
    let succeeded = int(object, &["status", "succeeded"], 0);
    let failures = int(object, &["status", "failed"], 0);
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("Complete", "True") => {
                return current(format!("Job Completed. succeeded: {succeeded}/{completions}"));
            }
            ("Failed", "True") => return failed(format!("Job Failed. failed: {failures}/{completions}")),
            _ => {}
        }
    }
    if string(object, &["status", "startTime"], "").is_empty() {
        return in_progress(format!("Job not started. active: 0/{parallelism}"));
    }
    in_progress(format!(
        "Job in progress. success:{succeeded}, active: {active}, failed: {failures}"
    ))
}

/// A Job of which nobody asks more than that it has begun.
pub(super) fn started_job(object: &Value) -> Verdict {
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("Complete", "True") => return current("Job Completed"),
            ("Failed", "True") => return failed("Job Failed"),
            _ => {}
        }
    }
    if string(object, &["status", "startTime"], "").is_empty() {
        return in_progress("Job not started");
    }
    current("Job in progress")
}

/// A Pod that does one thing and ends.
pub(super) fn finished_pod(object: &Value) -> Readiness {
    match string(object, &["status", "phase"], "") {
        "Succeeded" => Readiness::new(Status::Current, "Pod has succeeded"),
        "Failed" => Readiness::new(Status::Failed, "Pod has failed"),
        _ => Readiness::new(Status::InProgress, "Pod in progress"),
    }
}

fn pod(object: &Value) -> Verdict {
    let conditions = conditions(object)?;
    let has = |kind, status| {
        let mut found = conditions.iter();
        found.find(|condition| (condition.kind, condition.status) == (kind, status))
    };
    match string(object, &["status", "phase"], "") {
        "Succeeded" => current("Pod has completed successfully"),
        "Failed" => current("Pod has completed, but not successfully"),
        "Running" if has("Ready", "True").is_some() => current("Pod is Ready"),
        "Running" => {
            let looping = crash_looping(object)?;
            if looping.is_empty() {
                in_progress("Pod is running but is not Ready")
            } else {
                failed(format!("Containers in CrashLoop state: {}", looping.join(",")))
            }
        }
        "Pending" => match has("PodScheduled", "False") {
            Some(condition) if condition.reason == "Unschedulable" => Ok(Readiness {
                fails_at: Some(created(object) + SCHEDULE_WINDOW),
                ..Readiness::new(Status::InProgress, "Pod has not been scheduled")
            }),
            _ => in_progress("Pod is in the Pending phase"),
        },
        "" => in_progress("Pod phase not available"),
        odd => Err(Malformed::new(format!("unknown phase {odd}"))),
    }
}

/// When an object was created, in seconds since the epoch; an object that does not say so is very old.
fn created(object: &Value) -> i64 {
    let at = string(object, &["metadata", "creationTimestamp"], "");
    at.parse::<jiff::Timestamp>()
        .map_or(0, jiff::Timestamp::as_second)
}

fn crash_looping(object: &Value) -> Result<Vec<&str>, Malformed> {
    let path = ["status", "containerStatuses"];
    let containers = match get(object, &path)? {
        None => return Ok(Vec::new()),
        Some(Value::Array(containers)) => containers,
        Some(odd) => return Err(Malformed::field(&path, odd, "[]interface{}")),
    };
    let looping = containers
        .iter()
        .filter(|container| string(container, &["state", "waiting", "reason"], "") == "CrashLoopBackOff");
    Ok(looping
        .filter_map(|container| container.get("name").and_then(Value::as_str))
        .collect())
}

fn persistent_volume_claim(object: &Value) -> Verdict {
    match string(object, &["status", "phase"], "unknown") {
        "Bound" => current("PVC is Bound"),
        phase => in_progress(format!("PVC is not Bound. phase: {phase}")),
    }
}

fn service(object: &Value) -> Verdict {
    let is_balanced = string(object, &["spec", "type"], "ClusterIP") == "LoadBalancer";
    if is_balanced && string(object, &["spec", "clusterIP"], "").is_empty() {
        return in_progress("ClusterIP not set. Service type: LoadBalancer");
    }
    current("Service is ready")
}

fn custom_resource_definition(object: &Value) -> Verdict {
    for condition in conditions(object)? {
        match (condition.kind, condition.status) {
            ("NamesAccepted", "False") => return Ok(because_of(Status::Failed, &condition)),
            ("Established", "False") if condition.reason != "Installing" => {
                return Ok(because_of(Status::Failed, &condition));
            }
            ("Established", "True") => return current("CRD is established"),
            _ => {}
        }
    }
    in_progress("Install in progress")
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of a rule, which can fail elsewhere"
)]
fn current(message: impl Into<Cow<'static, str>>) -> Verdict {
    Ok(Readiness::new(Status::Current, message))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of a rule, which can fail elsewhere"
)]
fn in_progress(message: impl Into<Cow<'static, str>>) -> Verdict {
    Ok(Readiness::new(Status::InProgress, message))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the end of a rule, which can fail elsewhere"
)]
fn failed(message: impl Into<Cow<'static, str>>) -> Verdict {
    Ok(Readiness::new(Status::Failed, message))
}

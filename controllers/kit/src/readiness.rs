//! Whether an object has reached the state that its spec asks for: the kstatus rules, as Flux's fork applies them.
//!
//! Behaviour follows fluxcd/cli-utils `pkg/kstatus/status` with Flux's job rule; expressions in CEL are not read here.

use serde_json::Value;

use crate::object::{api_version, kind, split_api_version};

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
    /// The object could not be read.
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

/// Computes the status of an object from what the API server returned.
///
/// `now` is in seconds since the epoch; only the 15 s grace of unschedulable pods reads it.
pub fn status(object: &Value, now: i64) -> Status {
    if object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|at| !at.is_null())
    {
        return Status::Terminating;
    }
    let generation = int(object, "/metadata/generation");
    if let (Some(observed), Some(generation)) = (int(object, "/status/observedGeneration"), generation)
        && observed != generation
    {
        return Status::InProgress;
    }
    if condition(object, "Reconciling") == Some("True") {
        return Status::InProgress;
    }
    if condition(object, "Stalled") == Some("True") {
        return Status::Failed;
    }
    let (group, _) = split_api_version(api_version(object));
    if let Some(status) = built_in(group, kind(object), object, now) {
        return status;
    }
    match condition(object, "Ready") {
        Some("False" | "Unknown") => Status::InProgress,
        _ => Status::Current,
    }
}

fn built_in(group: &str, kind: &str, object: &Value, now: i64) -> Option<Status> {
    Some(match (group, kind) {
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "ReplicaSet") => replica_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object, now),
        ("", "PersistentVolumeClaim") => progress_unless(text(object, "/status/phase") == Some("Bound")),
        ("", "Service") => service(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crd(object),
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => {
            Status::Current
        }
        _ => return None,
    })
}

fn deployment(object: &Value) -> Status {
    let progressing = find_condition(object, "Progressing");
    let reason = progressing
        .and_then(|condition| condition.get("reason"))
        .and_then(Value::as_str);
    if reason == Some("ProgressDeadlineExceeded") {
        return Status::Failed;
    }
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let have = int(object, "/status/replicas").unwrap_or(0);
    let updated = int(object, "/status/updatedReplicas").unwrap_or(0);
    let available = int(object, "/status/availableReplicas").unwrap_or(0);
    let ready = int(object, "/status/readyReplicas").unwrap_or(0);
    // A Deployment without a progress deadline never reports that its newest ReplicaSet is available.
    let rolled_out = match progressing {
        Some(progressing) => {
            progressing.get("status").and_then(Value::as_str) == Some("True")
                && reason == Some("NewReplicaSetAvailable")
        }
        None => int(object, "/spec/progressDeadlineSeconds").is_none(),
    };
    progress_unless(
        have >= wanted
            && updated >= wanted
            && have <= updated
            && available >= updated
            && ready >= wanted
            && rolled_out
            && condition(object, "Available") == Some("True"),
    )
}

fn stateful_set(object: &Value) -> Status {
    if text(object, "/spec/updateStrategy/type") == Some("OnDelete") {
        return Status::Current;
    }
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let have = int(object, "/status/replicas").unwrap_or(0);
    let ready = int(object, "/status/readyReplicas").unwrap_or(0);
    let updated = int(object, "/status/updatedReplicas").unwrap_or(0);
    let current = int(object, "/status/currentReplicas").unwrap_or(0);
    if have < wanted || ready < wanted || have > wanted {
        return Status::InProgress;
    }
    if let Some(partition) = int(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|p| *p > 0) {
        return progress_unless(updated >= wanted - partition);
    }
    progress_unless(
        current >= wanted
            && text(object, "/status/currentRevision") == text(object, "/status/updateRevision"),
    )
}

fn replica_set(object: &Value) -> Status {
    if condition(object, "ReplicaFailure") == Some("True") {
        return Status::InProgress;
    }
    let wanted = int(object, "/spec/replicas").unwrap_or(1);
    let labelled = int(object, "/status/fullyLabeledReplicas").unwrap_or(0);
    let available = int(object, "/status/availableReplicas").unwrap_or(0);
    let ready = int(object, "/status/readyReplicas").unwrap_or(0);
    let have = int(object, "/status/replicas").unwrap_or(0);
    progress_unless(labelled >= wanted && available >= wanted && ready >= wanted && have <= wanted)
}

fn daemon_set(object: &Value) -> Status {
    if int(object, "/metadata/generation").is_none() || int(object, "/status/observedGeneration").is_none() {
        return Status::InProgress;
    }
    let Some(wanted) = int(object, "/status/desiredNumberScheduled") else {
        return Status::InProgress;
    };
    let at_least = |path| int(object, path).unwrap_or(0) >= wanted;
    progress_unless(
        at_least("/status/currentNumberScheduled")
            && at_least("/status/updatedNumberScheduled")
            && at_least("/status/numberAvailable")
            && at_least("/status/numberReady"),
    )
}

fn job(object: &Value) -> Status {
    let suspended = object
        .pointer("/spec/suspend")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if suspended || condition(object, "Complete") == Some("True") {
        return Status::Current;
    }
    if condition(object, "Failed") == Some("True") {
        Status::Failed
    } else {
        Status::InProgress
    }
}

fn pod(object: &Value, now: i64) -> Status {
    match text(object, "/status/phase") {
        Some("Succeeded" | "Failed") => Status::Current,
        Some("Running") => {
            if condition(object, "Ready") == Some("True") {
                Status::Current
            } else if crash_looping(object) {
                Status::Failed
            } else {
                Status::InProgress
            }
        }
        Some("Pending") => {
            let unschedulable = find_condition(object, "PodScheduled").is_some_and(|condition| {
                condition.get("status").and_then(Value::as_str) == Some("False")
                    && condition.get("reason").and_then(Value::as_str) == Some("Unschedulable")
            });
            let created =
                text(object, "/metadata/creationTimestamp").and_then(|at| at.parse::<jiff::Timestamp>().ok());
            match created {
                Some(created) if unschedulable && now - created.as_second() >= 15 => Status::Failed,
                _ => Status::InProgress,
            }
        }
        _ => Status::InProgress,
    }
}

fn crash_looping(pod: &Value) -> bool {
    let containers = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    containers.into_iter().flatten().any(|container| {
        container.pointer("/state/waiting/reason").and_then(Value::as_str) == Some("CrashLoopBackOff")
    })
}

fn service(object: &Value) -> Status {
    let balanced = text(object, "/spec/type") == Some("LoadBalancer");
    let addressed = text(object, "/spec/clusterIP").is_some_and(|ip| !ip.is_empty());
    progress_unless(!balanced || addressed)
}

fn crd(object: &Value) -> Status {
    if condition(object, "NamesAccepted") == Some("False") {
        return Status::Failed;
    }
    let established = find_condition(object, "Established");
    let reason = established
        .and_then(|condition| condition.get("reason"))
        .and_then(Value::as_str);
    match condition(object, "Established") {
        Some("True") => Status::Current,
        Some("False") if reason != Some("Installing") => Status::Failed,
        _ => Status::InProgress,
    }
}

fn progress_unless(done: bool) -> Status {
    if done { Status::Current } else { Status::InProgress }
}

fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer)?.as_i64()
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

fn find_condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(wanted))
}

fn condition<'a>(object: &'a Value, wanted: &str) -> Option<&'a str> {
    find_condition(object, wanted)?.get("status")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(object: &Value, expected: Status) {
        assert_eq!(status(object, 1_000_000_000), expected, "{object:#}");
    }

    fn with_status(api_version: &str, kind: &str, spec: &Value, status: &Value) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": status})
    }

    #[test]
    fn generic_conditions_decide_unknown_kinds() {
        let object = |status: Value| with_status("example.org/v1", "Thing", &json!({}), &status);
        let ready = |value: &str| json!({"conditions": [{"type": "Ready", "status": value}]});
        check(&object(json!({})), Status::Current);
        check(&object(ready("True")), Status::Current);
        check(&object(ready("False")), Status::InProgress);
        check(&object(ready("Unknown")), Status::InProgress);
        check(&object(json!({"observedGeneration": 1})), Status::InProgress);
        check(
            &object(json!({"conditions": [{"type": "Stalled", "status": "True"}]})),
            Status::Failed,
        );
        check(
            &object(json!({"conditions": [{"type": "Reconciling", "status": "True"}]})),
            Status::InProgress,
        );
        let mut deleted = object(ready("True"));
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        check(&deleted, Status::Terminating);
    }

    #[test]
    fn deployments_are_current_once_the_rollout_is_complete() {
        let object = |replicas: i64, status: Value| {
            with_status(
                "apps/v1",
                "Deployment",
                &json!({"replicas": replicas, "progressDeadlineSeconds": 600}),
                &status,
            )
        };
        let conditions = |reason: &str| {
            json!([{"type": "Progressing", "status": "True", "reason": reason},
                   {"type": "Available", "status": "True"}])
        };
        check(&object(0, json!({})), Status::InProgress);
        check(
            &object(
                0,
                json!({"observedGeneration": 2, "conditions": conditions("NewReplicaSetAvailable")}),
            ),
            Status::Current,
        );
        let counts = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
            "readyReplicas": 2, "conditions": conditions("NewReplicaSetAvailable")});
        check(&object(2, counts.clone()), Status::Current);
        check(&object(3, counts), Status::InProgress);
        check(
            &object(1, json!({"conditions": conditions("ReplicaSetUpdated")})),
            Status::InProgress,
        );
        check(
            &object(
                1,
                json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}),
            ),
            Status::Failed,
        );
    }

    #[test]
    fn jobs_pods_and_crds_follow_their_conditions() {
        let job = |spec: Value, kind: &str| {
            with_status(
                "batch/v1",
                "Job",
                &spec,
                &json!({"conditions": [{"type": kind, "status": "True"}]}),
            )
        };
        check(&job(json!({}), "Complete"), Status::Current);
        check(&job(json!({}), "Failed"), Status::Failed);
        check(&job(json!({}), "Other"), Status::InProgress);
        check(&job(json!({"suspend": true}), "Other"), Status::Current);
        let pod = |status: Value| with_status("v1", "Pod", &json!({}), &status);
        check(&pod(json!({"phase": "Succeeded"})), Status::Current);
        check(&pod(json!({"phase": "Pending"})), Status::InProgress);
        check(
            &pod(
                json!({"phase": "Running", "containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            ),
            Status::Failed,
        );
        let crd = |kind: &str, value: &str| {
            let status = json!({"conditions": [{"type": kind, "status": value}]});
            with_status(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                &json!({}),
                &status,
            )
        };
        check(&crd("Established", "True"), Status::Current);
        check(&crd("Established", "False"), Status::Failed);
        check(&crd("NamesAccepted", "False"), Status::Failed);
        check(&crd("Other", "True"), Status::InProgress);
    }
}

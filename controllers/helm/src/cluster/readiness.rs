//! When objects are ready by the rules of Helm 3.

use controller_kit::object::metadata_text;
use serde_json::{Map, Value};

/// What a rule says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is ready.
    Ready,
    /// It is not ready.
    NotReady,
    /// It has failed.
    Failed,
    /// It is, if the newest of its ReplicaSets is.
    IfReplicaSetsAre,
    /// It is, if its Pods are.
    IfPodsAre,
}

use Verdict::{Failed, IfPodsAre, IfReplicaSetsAre, NotReady, Ready};

/// Gives the rule of a kind; nothing if all objects of the kind are ready.
pub(super) fn rule((group, version, kind): (&str, &str, &str), jobs: bool) -> Option<fn(&Value) -> Verdict> {
    Some(match (group, version, kind) {
        ("", "v1", "Pod") => |pod| of(is_pod_ready(pod)),
        ("", "v1", "PersistentVolumeClaim") => |claim| of(text(claim, "/status/phase") == "Bound"),
        ("", "v1", "Service") => |service| of(is_service_ready(service)),
        ("", "v1", "ReplicationController") | ("apps", "v1", "ReplicaSet") => |set| {
            if is_observed(set) { IfPodsAre } else { NotReady }
        },
        ("batch", "v1", "Job") if jobs => job,
        ("apps", "v1", "Deployment") => |deployment| {
            if deployment.pointer("/spec/paused") == Some(&Value::Bool(true)) {
                Ready
            } else {
                IfReplicaSetsAre
            }
        },
        ("apps", "v1", "DaemonSet") => |set| of(is_daemon_set_ready(set)),
        ("apps", "v1", "StatefulSet") => |set| of(is_stateful_set_ready(set)),
        ("apiextensions.k8s.io", "v1" | "v1beta1", "CustomResourceDefinition") => {
            |definition| of(is_definition_ready(definition))
        }
        _ => return None,
    })
}

fn of(is_ready: bool) -> Verdict {
    if is_ready { Ready } else { NotReady }
}

fn number(object: &Value, path: &str) -> i64 {
    object.pointer(path).and_then(Value::as_i64).unwrap_or_default()
}

fn text<'o>(object: &'o Value, path: &str) -> &'o str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn has_condition(object: &Value, kind: &str, status: &str) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| text(condition, "/type") == kind && text(condition, "/status") == status)
}

/// Whether what is to be done about its spec is known.
fn is_observed(object: &Value) -> bool {
    number(object, "/status/observedGeneration") == number(object, "/metadata/generation")
}

pub(super) fn is_pod_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready", "True")
}

fn is_service_ready(service: &Value) -> bool {
    let list = |path: &str| {
        service
            .pointer(path)
            .and_then(Value::as_array)
            .map_or(0, Vec::len)
    };
    match text(service, "/spec/type") {
        "ExternalName" => true,
        _ if text(service, "/spec/clusterIP").is_empty() => false,
        "LoadBalancer" => list("/spec/externalIPs") > 0 || list("/status/loadBalancer/ingress") > 0,
        _ => true,
    }
}

fn is_definition_ready(definition: &Value) -> bool {
    // A conflict of names is nobody's here to solve.
    has_condition(definition, "Established", "True") || has_condition(definition, "NamesAccepted", "False")
}

fn job(job: &Value) -> Verdict {
    let limit = job.pointer("/spec/backoffLimit").and_then(Value::as_i64);
    if limit.is_some_and(|limit| number(job, "/status/failed") > limit) {
        return Failed;
    }
    let completions = job.pointer("/spec/completions").and_then(Value::as_i64);
    of(completions.is_none_or(|completions| number(job, "/status/succeeded") >= completions))
}

/// A number, or a share of `total` in percent.
fn scaled(value: Option<&Value>, total: i64, round_up: bool) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(percent) => {
            let percent: i64 = percent.strip_suffix('%')?.parse().ok()?;
            let exact = percent.checked_mul(total)?;
            Some(if round_up {
                (exact + 99).div_euclid(100)
            } else {
                exact.div_euclid(100)
            })
        }
        _ => None,
    }
}

fn is_daemon_set_ready(set: &Value) -> bool {
    if !is_observed(set) {
        return false;
    }
    if text(set, "/spec/updateStrategy/type") != "RollingUpdate" {
        return true;
    }
    let desired = number(set, "/status/desiredNumberScheduled");
    if number(set, "/status/updatedNumberScheduled") != desired {
        return false;
    }
    let unavailable = set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
    let unavailable = scaled(unavailable, desired, true).unwrap_or(desired);
    number(set, "/status/numberReady") >= desired - unavailable
}

fn is_stateful_set_ready(set: &Value) -> bool {
    if !is_observed(set) {
        return false;
    }
    if text(set, "/spec/updateStrategy/type") != "RollingUpdate" {
        return true;
    }
    let partition = number(set, "/spec/updateStrategy/rollingUpdate/partition");
    let replicas = set.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    number(set, "/status/updatedReplicas") >= replicas - partition
        && number(set, "/status/readyReplicas") == replicas
        && (partition != 0 || text(set, "/status/currentRevision") == text(set, "/status/updateRevision"))
}

/// Whether enough of a Deployment's newest Pods are ready; `sets` are the ReplicaSets that it selects.
pub(super) fn is_rolled_out(deployment: &Value, sets: &[Value]) -> bool {
    let template = |object: &Value| {
        let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
        if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
            labels.remove("pod-template-hash");
        }
        template
    };
    let wanted = template(deployment);
    let own = sets
        .iter()
        .filter(|set| is_controlled_by(set, metadata_text(deployment, "uid")));
    let same = own.filter(|set| template(set) == wanted);
    // Of several that are the same, upstream takes the oldest.
    let newest = same.min_by_key(|set| {
        let key = |field: &str| metadata_text(set, field).to_owned();
        (key("creationTimestamp"), key("name"))
    });
    let Some(newest) = newest else { return false };
    let replicas = number(deployment, "/spec/replicas");
    is_observed(newest)
        && is_observed(deployment)
        && number(newest, "/status/readyReplicas") >= replicas - max_unavailable(deployment, replicas)
}

fn is_controlled_by(object: &Value, uid: &str) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    owners.any(|owner| owner.get("controller") == Some(&Value::Bool(true)) && text(owner, "/uid") == uid)
}

fn max_unavailable(deployment: &Value, replicas: i64) -> i64 {
    if text(deployment, "/spec/strategy/type") != "RollingUpdate" || replicas == 0 {
        return 0;
    }
    let rolling = |field: &str| deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
    let surge = scaled(rolling("maxSurge"), replicas, true).unwrap_or_default();
    let unavailable = scaled(rolling("maxUnavailable"), replicas, false).unwrap_or_default();
    let unavailable = if surge == 0 && unavailable == 0 {
        1
    } else {
        unavailable
    };
    unavailable.min(replicas)
}

/// The labels of an object's Pods as a selector.
pub(super) fn selector(object: &Value) -> String {
    let labels = |path: &str| object.pointer(path).and_then(Value::as_object).cloned();
    let plain = object.pointer("/spec/selector/matchLabels").is_none()
        && object.pointer("/spec/selector/matchExpressions").is_none();
    let pairs = if plain {
        labels("/spec/selector")
    } else {
        labels("/spec/selector/matchLabels")
    };
    let mut terms: Vec<String> = pairs
        .unwrap_or_else(Map::new)
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let expressions = object
        .pointer("/spec/selector/matchExpressions")
        .and_then(Value::as_array);
    for expression in expressions.into_iter().flatten() {
        let key = text(expression, "/key");
        let values = expression.get("values").and_then(Value::as_array);
        let values: Vec<&str> = values.into_iter().flatten().filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.push(match text(expression, "/operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    terms.join(",")
}

/// How the work of a Job or Pod ended; nothing while it goes on.
pub(super) fn work(object: &Value, is_job: bool) -> Option<Result<(), String>> {
    let name = controller_kit::object::name(object);
    if !is_job {
        return match text(object, "/status/phase") {
            "Succeeded" => Some(Ok(())),
            "Failed" => Some(Err(format!("pod {name} failed"))),
            _ => None,
        };
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let mut conditions = conditions
        .into_iter()
        .flatten()
        .filter(|condition| text(condition, "/status") == "True");
    conditions.find_map(|condition| match text(condition, "/type") {
        "Complete" => Some(Ok(())),
        "Failed" => Some(Err(format!("job {name} failed: {}", text(condition, "/reason")))),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(api_version: (&str, &str, &str), object: &Value) -> Verdict {
        rule(api_version, true).map_or(Ready, |rule| rule(object))
    }

    #[test]
    fn kinds_have_rules_of_their_own() {
        let condition = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
        let core = |kind: &'static str| ("", "v1", kind);
        let service = |spec: Value, ingress: Value| json!({"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}});
        for (kind, object, expected) in [
            (core("ConfigMap"), json!({}), Ready),
            (core("Pod"), condition("Ready"), Ready),
            (core("Pod"), condition("Other"), NotReady),
            (
                core("PersistentVolumeClaim"),
                json!({"status": {"phase": "Bound"}}),
                Ready,
            ),
            (
                core("PersistentVolumeClaim"),
                json!({"status": {"phase": "Pending"}}),
                NotReady,
            ),
            (
                core("Service"),
                service(json!({"type": "ExternalName"}), Value::Null),
                Ready,
            ),
            (
                core("Service"),
                service(json!({"type": "ClusterIP"}), Value::Null),
                NotReady,
            ),
            (
                core("Service"),
                service(json!({"type": "ClusterIP", "clusterIP": "None"}), Value::Null),
                Ready,
            ),
            (
                core("Service"),
                service(json!({"type": "LoadBalancer", "clusterIP": "1"}), Value::Null),
                NotReady,
            ),
            (
                core("Service"),
                service(json!({"type": "LoadBalancer", "clusterIP": "1"}), json!([{}])),
                Ready,
            ),
            (
                ("batch", "v1", "Job"),
                json!({"spec": {"backoffLimit": 1}, "status": {"failed": 2}}),
                Failed,
            ),
            (
                ("batch", "v1", "Job"),
                json!({"spec": {"completions": 2}, "status": {"succeeded": 1}}),
                NotReady,
            ),
            (
                ("batch", "v1", "Job"),
                json!({"spec": {"completions": 2}, "status": {"succeeded": 2}}),
                Ready,
            ),
            (
                ("apps", "v1", "Deployment"),
                json!({"spec": {"paused": true}}),
                Ready,
            ),
            (
                ("apps", "v1", "Deployment"),
                json!({"spec": {}}),
                IfReplicaSetsAre,
            ),
            (
                ("apps", "v1", "ReplicaSet"),
                json!({"metadata": {"generation": 2}}),
                NotReady,
            ),
            (("apps", "v1", "ReplicaSet"), json!({}), IfPodsAre),
            (
                ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
                condition("Established"),
                Ready,
            ),
            (
                ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
                json!({}),
                NotReady,
            ),
            (("example.com", "v1", "Widget"), condition("Stalled"), Ready),
        ] {
            assert_eq!(judged(kind, &object), expected, "{kind:?} {object}");
        }
        assert!(rule(("batch", "v1", "Job"), false).is_none());
    }

    #[test]
    fn sets_are_ready_when_their_pods_are_updated() {
        let rolling = |kind: Value| json!({"type": "RollingUpdate", "rollingUpdate": kind});
        let daemons = |updated: i64, ready: i64| {
            let status =
                json!({"desiredNumberScheduled": 4, "updatedNumberScheduled": updated, "numberReady": ready});
            is_daemon_set_ready(
                &json!({"spec": {"updateStrategy": rolling(json!({"maxUnavailable": "30%"}))}, "status": status}),
            )
        };
        assert!(daemons(4, 2) && !daemons(4, 1) && !daemons(3, 4));
        let stateful = |partition: i64, updated: i64, revision: &str| {
            let status = json!({"updatedReplicas": updated, "readyReplicas": 3, "currentRevision": "a", "updateRevision": revision});
            is_stateful_set_ready(
                &json!({"spec": {"replicas": 3, "updateStrategy": rolling(json!({"partition": partition}))}, "status": status}),
            )
        };
        assert!(stateful(0, 3, "a") && !stateful(0, 3, "b") && stateful(2, 1, "b") && !stateful(2, 0, "b"));
    }

    #[test]
    fn a_deployment_is_ready_when_its_newest_pods_are() {
        let template =
            |image: &str, labels: Value| json!({"metadata": {"labels": labels}, "spec": {"image": image}});
        let rolling =
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        let deployment = json!({
            "metadata": {"uid": "u", "generation": 2},
            "spec": {"replicas": 4, "strategy": rolling, "template": template("b", json!({"app": "a"}))},
            "status": {"observedGeneration": 2},
        });
        let set = |image: &str, uid: &str, ready: i64| {
            json!({
                "metadata": {"ownerReferences": [{"controller": true, "uid": uid}]},
                "spec": {"template": template(image, json!({"app": "a", "pod-template-hash": "1"}))},
                "status": {"readyReplicas": ready},
            })
        };
        assert!(is_rolled_out(&deployment, &[set("a", "u", 4), set("b", "u", 3)]));
        assert!(!is_rolled_out(&deployment, &[set("b", "u", 2)]));
        assert!(!is_rolled_out(
            &deployment,
            &[set("a", "u", 4), set("b", "other", 4)]
        ));
        assert!(!is_rolled_out(&deployment, &[]));
    }

    #[test]
    fn selectors_are_written_for_the_api_server() {
        let expressions = json!([
            {"key": "a", "operator": "In", "values": ["b", "c"]}, {"key": "d", "operator": "Exists"},
            {"key": "e", "operator": "DoesNotExist"}, {"key": "f", "operator": "NotIn", "values": ["g"]},
        ]);
        let deployment =
            json!({"spec": {"selector": {"matchLabels": {"app": "web"}, "matchExpressions": expressions}}});
        assert_eq!(selector(&deployment), "app=web,a in (b,c),d,!e,f notin (g)");
        assert_eq!(
            selector(&json!({"spec": {"selector": {"app": "web"}}})),
            "app=web"
        );
    }

    #[test]
    fn work_ends_one_way_or_the_other() {
        let job = |kind: &str| json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": kind, "status": "True", "reason": "R"}]}});
        assert_eq!(work(&job("Complete"), true), Some(Ok(())));
        assert_eq!(
            work(&job("Failed"), true),
            Some(Err("job a failed: R".to_owned()))
        );
        assert_eq!(work(&job("Suspended"), true), None);
        let pod = |phase: &str| json!({"metadata": {"name": "a"}, "status": {"phase": phase}});
        assert_eq!(work(&pod("Failed"), false), Some(Err("pod a failed".to_owned())));
        assert_eq!(work(&pod("Running"), false), None);
    }
}

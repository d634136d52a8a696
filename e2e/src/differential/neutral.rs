//! Values without what differs between two runs of anything.

use serde_json::Value;

/// Fields whose values are chance; whether there is one counts all the same.
const CHANCE: [&str; 16] = [
    "lastTransitionTime",
    "lastAttemptedReleaseActionDuration",
    "firstDeployed",
    "lastDeployed",
    "lastStarted",
    "lastCompleted",
    "deleted",
    "first_deployed",
    "last_deployed",
    "started_at",
    "completed_at",
    "modtime",
    "lastHandledReconcileAt",
    "lastHandledForceAt",
    "lastHandledResetAt",
    // Times are part of what is digested; handing over shows that it is right.
    "digest",
];

/// Fields that the API server chooses.
const CHOSEN: [&str; 6] = [
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "volumeName",
    "uid",
    "healthCheckNodePort",
];

/// A value without times, UIDs, and the name of the namespace.
pub(super) fn neutral(value: &Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => text_of(&text.replace(namespace, "NAMESPACE")).into(),
        Value::Array(items) => items.iter().map(|item| neutral(item, namespace)).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !CHOSEN.contains(&key.as_str()))
            .map(|(key, value)| {
                let value = if CHANCE.contains(&key.as_str()) && value.is_string() {
                    "CHANCE".into()
                } else {
                    neutral(value, namespace)
                };
                (key.replace(namespace, "NAMESPACE"), value)
            })
            .collect(),
        other => other.clone(),
    }
}

/// A text without UIDs and ports of this machine.
fn text_of(text: &str) -> String {
    let mut rest = text;
    let mut neutral = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        if let Some(after) = after_uid(rest) {
            neutral.push_str("UID");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("127.0.0.1:") {
            neutral.push_str("SERVER");
            rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        } else {
            neutral.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    neutral
}

/// What comes after the UID that a text begins with.
fn after_uid(text: &str) -> Option<&str> {
    let (uid, after) = text.split_at_checked(36)?;
    let is_uid = uid.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    is_uid.then_some(after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_chance_reads_the_same() {
        let value = json!({"lastDeployed": "now", "digest": null, "uid": 1, "a-ns": ["x/a-ns/y", 2],
            "m": "job 123e4567-e89b-12d3-a456-426614174000 at 127.0.0.1:4321/x"});
        let expected = json!({"lastDeployed": "CHANCE", "digest": null, "NAMESPACE": ["x/NAMESPACE/y", 2],
            "m": "job UID at SERVER/x"});
        assert_eq!(neutral(&value, "a-ns"), expected);
    }
}

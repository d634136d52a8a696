//! Values without what differs between two runs of anything.

use serde_json::Value;

use crate::testbed::without_unpacked;

/// Fields whose values are chance; whether there is one counts all the same.
const CHANCE: [&str; 18] = [
    "lastTransitionTime",
    "firstReconciled",
    "lastReconciled",
    "lastReconciledDuration",
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

/// What is known of where values come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    /// The namespace, whose name need not be the same on both sides.
    pub(super) namespace: &'a str,
    /// Whether digests are chance: they are where times or the name of the namespace are part of what is digested. Handing
    /// over shows that they are right.
    pub(super) digests: bool,
}

impl Origin<'_> {
    /// A value without times, UIDs, and the name of the namespace.
    pub(super) fn neutral(self, value: &Value) -> Value {
        match value {
            Value::String(text) => text_of(&text.replace(self.namespace, "NAMESPACE")).into(),
            Value::Array(items) => items.iter().map(|item| self.neutral(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .filter(|(key, _)| !CHOSEN.contains(&key.as_str()))
                .map(|(key, value)| {
                    let value = if self.is_chance(key) && value.is_string() {
                        "CHANCE".into()
                    } else {
                        self.neutral(value)
                    };
                    (key.replace(self.namespace, "NAMESPACE"), value)
                })
                .collect(),
            other => other.clone(),
        }
    }

    fn is_chance(self, field: &str) -> bool {
        CHANCE.contains(&field) || (self.digests && field == "digest")
    }
}

/// What a duration that was measured comes after.
const MEASURED: [&str; 3] = ["finished in ", "passed in ", "failed after "];

/// What lists of objects begin with that stock keeps in no order.
const UNORDERED: [&str; 2] = [
    "timeout waiting for: [",
    "failed early due to stalled resources: [",
];

/// A text whose lists of what is not ready are sorted.
fn in_order(text: &str) -> String {
    let found = UNORDERED
        .iter()
        .find_map(|begin| Some((text.find(begin)? + begin.len(), text.rfind(']')?)));
    let Some((begin, end)) = found.filter(|(begin, end)| begin <= end) else {
        return text.to_owned();
    };
    let mut list: Vec<_> = text[begin..end].split(", ").collect();
    list.sort_unstable();
    format!("{}{}{}", &text[..begin], list.join(", "), &text[end..])
}

/// A text without UIDs, durations, and ports and folders of this machine.
fn text_of(text: &str) -> String {
    let text = in_order(&without_unpacked(text));
    let mut rest = &*text;
    let mut neutral = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        if let Some(before) = MEASURED.iter().find(|before| rest.starts_with(**before)) {
            neutral.push_str(before);
            neutral.push_str("TIME");
            let is_time = |c: char| c.is_ascii_digit() || "hmsµn.".contains(c);
            rest = rest
                .strip_prefix(before)
                .unwrap_or_default()
                .trim_start_matches(is_time);
        } else if let Some(after) = after_uid(rest) {
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
            "m": "job 123e4567-e89b-12d3-a456-426614174000 at 127.0.0.1:4321/x",
            "n": "finished in 1m2.5s, next in 1h", "o": "stat /tmp/kustomization-123/a: no"});
        let expected = json!({"lastDeployed": "CHANCE", "digest": null, "NAMESPACE": ["x/NAMESPACE/y", 2],
            "m": "job UID at SERVER/x",
            "n": "finished in TIME, next in 1h", "o": "stat /a: no"});
        let origin = Origin {
            namespace: "a-ns",
            digests: true,
        };
        assert_eq!(origin.neutral(&value), expected);
        let unready =
            |list: &str| origin.neutral(&format!("failed: timeout waiting for: [{list}]\nmore").into());
        assert_eq!(unready("b, a: no"), unready("a: no, b"));
        let digest = json!({"digest": "x"});
        assert_eq!(origin.neutral(&digest), json!({"digest": "CHANCE"}));
        let exact = Origin {
            digests: false,
            ..origin
        };
        assert_eq!(exact.neutral(&digest), digest);
    }
}

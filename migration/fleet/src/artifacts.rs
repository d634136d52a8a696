//! `get artifacts`: what there is to deploy, where it comes from, and whether it is up to date.

use artifact_crd::{ADAPTER_MANAGER, Artifact};
use flux_api::{ConditionsExt, Tolerant};
use jiff::Timestamp;
use kube_core::Resource;

use crate::text::{Table, Tone, age, short_hash, size};

/// What is shown of Artifacts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Whether objects of several namespaces are shown.
    pub namespace: bool,
    /// Whether addresses and owners are shown, and nothing is cut.
    pub wide: bool,
}

/// Returns a table of Artifacts.
pub fn table(artifacts: &[Tolerant<Artifact>], columns: Columns, now: Timestamp) -> Table {
    let mut heads = vec!["NAME", "REVISION", "SIZE", "READY", "AGE", "SOURCE"];
    if columns.namespace {
        heads.insert(0, "NAMESPACE");
    }
    if columns.wide {
        heads.extend(["BY", "DIGEST", "URL", "MESSAGE"]);
    }
    let size_at = if columns.namespace { 3 } else { 2 };
    let mut table = Table::new(&heads).right(size_at);
    for artifact in artifacts {
        let row = row(artifact, columns, now);
        table.row(row.iter().map(|(text, tone)| (text.as_str(), *tone)));
    }
    table
}

fn row(artifact: &Tolerant<Artifact>, columns: Columns, now: Timestamp) -> Vec<(String, Tone)> {
    let plain = |text: String| (text, Tone::Plain);
    let meta = artifact.meta();
    let mut row = Vec::new();
    if columns.namespace {
        row.push(plain(meta.namespace.clone().unwrap_or_default()));
    }
    row.push(plain(meta.name.clone().unwrap_or_default()));
    let created = meta.creation_timestamp.as_ref();
    let since = plain(created.map(|created| age(created.0, now)).unwrap_or_default());
    let artifact = match &artifact.0 {
        Ok(artifact) => artifact,
        Err(odd) => {
            row.extend([
                plain(String::new()),
                plain(String::new()),
                ("Unreadable".to_owned(), Tone::Bad),
                since,
            ]);
            row.push(plain(odd.reason.clone()));
            return row;
        }
    };
    let spec = &artifact.spec;
    let revision = if columns.wide {
        spec.revision.clone()
    } else {
        short_hash(&spec.revision)
    };
    let (ready, tone, message) = readiness(artifact);
    row.extend([
        plain(revision),
        plain(spec.size.map(size).unwrap_or_default()),
        (ready.to_owned(), tone),
        since,
        plain(source(artifact)),
    ]);
    if columns.wide {
        row.extend([
            plain(writer(artifact)),
            plain(spec.digest.clone().unwrap_or_default()),
            plain(spec.url.clone()),
            plain(message),
        ]);
    }
    row
}

/// Whether an Artifact can be used, and what is said about it: an Artifact of the Go libraries says nothing.
pub fn readiness(artifact: &Artifact) -> (&'static str, Tone, String) {
    let conditions = &artifact.status.conditions;
    let ready = conditions.get_condition(artifact_crd::READY);
    let source = conditions.get_condition(artifact_crd::SOURCE_READY);
    let message = |condition: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>| {
        condition
            .map(|condition| condition.message.clone())
            .unwrap_or_default()
    };
    match (ready, source) {
        (Some(ready), _) if ready.status != "True" => ("False", Tone::Bad, ready.message.clone()),
        // What there is can be used, while nothing newer comes.
        (_, Some(source)) if source.status == "False" => ("True", Tone::Warning, source.message.clone()),
        (Some(ready), _) => ("True", Tone::Good, message(Some(ready))),
        (None, _) => ("", Tone::Plain, String::new()),
    }
}

/// Kind and name of what an Artifact belongs to.
pub fn source(artifact: &Artifact) -> String {
    let owners = artifact.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| owner.controller == Some(true));
    owner
        .or(owners.first())
        .map(|owner| format!("{}/{}", owner.kind, owner.name))
        .unwrap_or_default()
}

/// Who wrote the Artifact last, by field manager.
pub fn writer(artifact: &Artifact) -> String {
    let managers = artifact.metadata.managed_fields.iter().flatten();
    let of_spec = managers.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let last = of_spec.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    last.and_then(|entry| entry.manager.clone()).unwrap_or_default()
}

/// Whether an Artifact mirrors a stock source.
pub fn is_mirror(artifact: &Artifact) -> bool {
    writer(artifact) == ADAPTER_MANAGER
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::text::Style;

    #[test]
    fn an_artifact_is_shown_with_its_source() {
        let artifact = |name: &str, conditions: serde_json::Value| {
            json!({
                "metadata": {"name": name, "namespace": "apps", "creationTimestamp": "1970-01-01T00:00:00Z",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "GitRepository", "name": "app", "uid": "1", "controller": true}],
                    "managedFields": [{"manager": ADAPTER_MANAGER, "operation": "Apply", "time": "1970-01-01T00:00:00Z"},
                        {"manager": "other", "operation": "Apply", "subresource": "status", "time": "1970-01-02T00:00:00Z"}]},
                "spec": {"url": "http://source/a.tar.gz", "size": 21_400, "digest": "sha256:00",
                    "revision": "main@sha1:f00dcafef00dcafef00dcafe"},
                "status": {"conditions": conditions},
            })
        };
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": "R", "message": "why",
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let list = json!([
            artifact("a", json!([condition("Ready", "True")])),
            artifact("b", json!([condition("Ready", "False")])),
            artifact("go", json!([])),
            {"metadata": {"name": "odd", "namespace": "apps"}, "spec": 7},
        ]);
        let artifacts: Vec<Tolerant<Artifact>> = serde_json::from_value(list).unwrap();
        let now = Timestamp::from_second(3600 * 24).unwrap();
        let columns = Columns {
            namespace: true,
            wide: false,
        };
        let lines = table(&artifacts, columns, now).lines(Style::default());
        assert_eq!(
            lines[..4],
            [
                "NAMESPACE  NAME  REVISION                 SIZE  READY       AGE  SOURCE",
                "apps       a     main@sha1:f00dcafef00d  21 kB  True        24h  GitRepository/app",
                "apps       b     main@sha1:f00dcafef00d  21 kB  False       24h  GitRepository/app",
                "apps       go    main@sha1:f00dcafef00d  21 kB              24h  GitRepository/app",
            ]
        );
        assert!(lines[4].contains("Unreadable"), "{}", lines[4]);
        assert!(is_mirror(artifacts[0].0.as_ref().unwrap()));
    }
}

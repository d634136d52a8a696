//! What a release leaves in a cluster, so that two of them can be compared.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::release_app::{ReleaseApp, neutral};

/// What was there after each step of a test.
pub(crate) struct States<'a> {
    app: &'a ReleaseApp,
    noted: Vec<Value>,
    digests: BTreeSet<String>,
}

impl<'a> States<'a> {
    pub(crate) fn of(app: &'a ReleaseApp) -> Self {
        Self {
            app,
            noted: Vec::new(),
            digests: BTreeSet::new(),
        }
    }

    /// Takes note of what there is, with a HelmRelease that was just read.
    pub(crate) async fn add(&mut self, object: DynamicObject) -> Result<()> {
        let mut state = state(self.app, &object).await?.to_string();
        // Two charts of different names have different digests; the history remembers earlier ones.
        let digest = object.data["status"]["lastAttemptedRevisionDigest"].as_str();
        let digest = digest.unwrap_or_default().trim_start_matches("sha256:");
        self.digests.insert(digest.to_owned());
        for digest in &self.digests {
            if let Some(start) = digest.get(..12) {
                state = state.replace(digest, "DIGEST").replace(start, "START");
            }
        }
        let state = serde_json::from_str(&state)?;
        self.noted.push(state);
        Ok(())
    }

    pub(crate) fn all(self) -> Vec<Value> {
        self.noted
    }
}

/// What a release leaves: the status of its HelmRelease, the HelmChart, the records and the objects.
async fn state(app: &ReleaseApp, object: &DynamicObject) -> Result<Value> {
    let mut objects = Vec::new();
    for kind in [CONFIG_MAP, DEPLOYMENT, HELM_CHART] {
        for found in app.list(kind).await? {
            let metadata = &found.metadata;
            if metadata.name.as_deref() == Some("kube-root-ca.crt") {
                continue;
            }
            let managers = metadata.managed_fields.iter().flatten();
            let managers: Vec<_> = managers
                .filter(|entry| entry.subresource.is_none())
                .map(|entry| json!([entry.manager, entry.operation, entry.fields_v1]))
                .filter(|entry| entry[0] == "helm-controller")
                .collect();
            objects.push(json!({
                "kind": kind.kind, "name": metadata.name, "labels": metadata.labels,
                "annotations": metadata.annotations.iter().flatten()
                    .filter(|(key, _)| !key.starts_with("deployment."))
                    .collect::<BTreeMap<_, _>>(),
                "spec": found.data.get("spec"), "values": found.data.get("data").map(|data| json!({"is": data})),
                "managers": managers,
            }));
        }
    }
    let state = json!({"status": object.data["status"], "objects": objects, "records": app.records().await?});
    Ok(neutral(&state, app.name()))
}

pub(crate) fn told(event: &DynamicObject, namespace: &str) -> String {
    let text = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
    let annotations = event.metadata.annotations.iter().flatten();
    let keys: Vec<_> = annotations.map(|(key, _)| key.as_str()).collect();
    // What Helm has logged follows, with times.
    let message = text("message").replace(namespace, "NAMESPACE");
    let message = message
        .split("\n\nLast Helm logs")
        .next()
        .unwrap_or_default()
        .to_owned();
    format!("{} {} {message} {keys:?}", text("type"), text("reason"))
}

/// What Helm has logged ahead of an event, without times; nothing if the event does not say.
pub(crate) fn helm_log(event: &DynamicObject, namespace: &str) -> Vec<String> {
    let message = event.data["message"].as_str().unwrap_or_default();
    let Some((_, log)) = message.split_once("Last Helm logs:\n\n") else {
        return Vec::new();
    };
    let line = |line: &str| {
        let (_, text) = line.split_once("Z: ").unwrap_or(("", line));
        text.replace(namespace, "NAMESPACE")
    };
    let mut lines: Vec<String> = log.lines().map(line).collect();
    // Messages of events are cut, wherever that is.
    if message.len() > 1000 {
        lines.pop();
    }
    lines
}

/// Compares step by step what stock's controller and ours have left.
pub(crate) fn compare(steps: &[&str], stock: &[Value], ours: &[Value]) {
    assert_eq!((steps.len(), steps.len()), (stock.len(), ours.len()));
    for ((step, ours), stock) in steps.iter().zip(ours).zip(stock) {
        assert!(ours == stock, "{step}: {}", difference("", stock, ours));
    }
}

/// Says where two values differ, one line per place.
fn difference(at: &str, stock: &Value, ours: &Value) -> String {
    match (stock, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let none = Value::Null;
            let each = keys.into_iter().map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                difference(&format!("{at}/{key}"), a, b)
            });
            each.collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let each = a.iter().zip(b).enumerate();
            each.map(|(n, (a, b))| difference(&format!("{at}/{n}"), a, b))
                .collect()
        }
        (a, b) if a == b => String::new(),
        (a, b) => format!("\n{at}\n  stock {a}\n  ours  {b}"),
    }
}

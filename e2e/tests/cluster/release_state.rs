//! What a release leaves in a cluster, so that two of them can be compared.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART, HELM_RELEASE};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::release_app::{ReleaseApp, neutral};
use crate::together::Side;

/// What the HelmRelease `app` leaves after each step of a test, compared with what the other side's leaves.
pub(crate) struct States<'a> {
    app: &'a ReleaseApp,
    side: &'a Side,
    digests: RefCell<BTreeSet<String>>,
}

impl<'a> States<'a> {
    pub(crate) fn of(app: &'a ReleaseApp, side: &'a Side) -> Self {
        Self {
            app,
            side,
            digests: RefCell::default(),
        }
    }

    /// What there is after a step is the same on both sides in the end; gives it.
    pub(crate) async fn same(&self, step: &str) -> Result<Value> {
        self.side.same(step, async || self.look().await.map(Some)).await
    }

    async fn look(&self) -> Result<Value> {
        let object = self.app.existing(HELM_RELEASE, "app").await?;
        let mut state = state(self.app, &object).await?.to_string();
        // Two charts of different names have different digests; the history remembers earlier ones.
        let digest = object.data["status"]["lastAttemptedRevisionDigest"].as_str();
        let digest = digest.unwrap_or_default().trim_start_matches("sha256:");
        let mut digests = self.digests.borrow_mut();
        digests.insert(digest.to_owned());
        for digest in &*digests {
            if let Some(start) = digest.get(..12) {
                state = state.replace(digest, "DIGEST").replace(start, "START");
            }
        }
        Ok(serde_json::from_str(&state)?)
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

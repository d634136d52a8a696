//! An API server that goes away in the middle of each action: no release is lost, made twice, or left half done.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, HELM_RELEASE, Namespace, Options, SECRET, Testbed, is_ready,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::artifacts::offer;
use crate::crash::moments;

const COUNT: usize = 8;

/// A chart whose installation takes a while: thirty objects, and a hook before them.
const FILES: [(&str, &str); 3] = [
    ("app/Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n"),
    ("app/values.yaml", "colour: blue\n"),
    (
        "app/templates/objects.yaml",
        "apiVersion: batch/v1
kind: Job
metadata: {name: '{{ .Release.Name }}', annotations: {helm.sh/hook: 'pre-install,pre-upgrade,pre-delete'}}
spec:
  completions: 0
  template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}
{{- range until 30 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ $.Release.Name }}-{{ . }}'}
data: {colour: {{ $.Values.colour }}}
{{- end }}
",
    ),
];

fn names() -> impl Iterator<Item = String> {
    (0..COUNT).map(|number| format!("app-{number}"))
}

/// Waits until each release is ready for its newest generation, with one deployed revision, its newest.
async fn settle(namespace: &Namespace) -> Result<()> {
    let ready = |object: &DynamicObject| {
        is_ready(object) && object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
    };
    for name in names() {
        namespace.wait(HELM_RELEASE, &name, "is released", ready).await?;
        let mut newest = (0, String::new());
        let mut deployed = 0;
        for secret in namespace.list(SECRET).await? {
            let labels = secret.metadata.labels.unwrap_or_default();
            let label = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
            if label("name") == name && label("owner") == "helm" {
                let version: u32 = label("version").parse()?;
                newest = newest.max((version, label("status").to_owned()));
                deployed += usize::from(label("status") == "deployed");
            }
        }
        assert_eq!((newest.1.as_str(), deployed), ("deployed", 1), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn an_api_server_that_goes_away_leaves_no_release_half_done() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("outage").await?;
    let server = ArtifactServer::start([("chart", Answer::Bytes(Archive::of(&FILES).pack()?))])?;
    let arguments = ["--controllers=helm", "--concurrent=4"];
    let mut controller = testbed.start_openflux("openflux-controller", &arguments)?;
    offer(&namespace, "chart", &server, "chart").await?;
    let mut moments = moments(7);
    let mut outage = async |from: u64| -> Result<()> {
        let moment = moments.next().unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(from) + moment / 2).await;
        testbed.restart_api_server().await
    };

    let again = json!({"strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}});
    for name in names() {
        let object = json!({
            "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind,
            "metadata": {"name": name, "labels": {"sharding.fluxcd.io/key": "openflux"}},
            "spec": {"interval": "1h", "timeout": "1m", "install": again, "upgrade": again, "releaseName": name,
                "chartRef": {"apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "ExternalArtifact", "name": "chart"}},
        });
        namespace.apply(&object.to_string()).await?;
    }
    outage(300).await?;
    settle(&namespace).await?;
    let object = || namespace.get(CONFIG_MAP, "app-0-7");
    let before = object().await?.context("installed")?;

    for name in names() {
        let spec = json!({"spec": {"values": {"colour": "red"}}});
        namespace.patch(HELM_RELEASE, &name, spec).await?;
    }
    outage(0).await?;
    settle(&namespace).await?;
    let after = object().await?.context("upgraded")?;
    assert_eq!(after.data["data"]["colour"], "red");
    assert_eq!(after.metadata.uid, before.metadata.uid);

    for name in names() {
        namespace.delete(HELM_RELEASE, &name).await?;
    }
    outage(0).await?;
    for name in names() {
        namespace.wait_gone(HELM_RELEASE, &name).await?;
    }
    assert!(object().await?.is_none());
    let mut left = namespace.list(SECRET).await?;
    left.retain(|secret| secret.data["type"] == "helm.sh/release.v1");
    assert!(left.is_empty(), "{left:?}");
    assert!(controller.ended()?.is_none(), "it has not been restarted");
    Ok(())
}

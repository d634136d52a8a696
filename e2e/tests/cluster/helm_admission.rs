//! Admission that stands in the way of a release: nothing is lost, and nothing is done twice.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, HELM_RELEASE, Kind, Namespace, condition, eventually};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::webhooks::{ask_nobody, wait_silent};

/// A policy that denies updates in a namespace; named like that.
struct Denial<'a> {
    namespace: &'a Namespace,
}

impl<'a> Denial<'a> {
    /// Denies updates of objects of a plural for which an expression does not hold.
    async fn of(
        namespace: &'a Namespace,
        (group, version): (&str, &str),
        plural: &str,
        expression: &str,
    ) -> Result<Self> {
        let name = namespace.name();
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
                    "resourceRules": [
                        {"apiGroups": [group], "apiVersions": [version], "operations": ["UPDATE"], "resources": [plural]},
                    ],
                },
                "validations": [{"expression": expression, "message": "not now"}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        for object in [policy, binding] {
            namespace.apply(&object.to_string()).await?;
        }
        Ok(Self { namespace })
    }

    /// Waits until it is in force, and denies this change of a status.
    async fn wait_for_status(&self, kind: Kind, name: &str, status: Value) -> Result<()> {
        let dry_run = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"status": status}));
        let api = self.namespace.api(kind);
        eventually("the policy to be in force", async || {
            let patched = api.patch_status(name, &dry_run, &patch).await;
            Ok(patched.is_err().then_some(()))
        })
        .await
    }

    async fn lift(self) -> Result<()> {
        let bindings = Api::<ValidatingAdmissionPolicyBinding>::all(self.namespace.client().clone());
        bindings
            .delete(self.namespace.name(), &DeleteParams::default())
            .await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_status_that_is_refused_after_an_action_is_not_lost() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "refused", &["1.0.0"]).await?;
    app.release_ready("app", json!({})).await?;
    // What comes of an upgrade cannot be written.
    let group = HELM_RELEASE.api_version.split_once('/').context("a group")?;
    let expression = "!has(object.status.history) || size(object.status.history) < 2";
    let denial = Denial::of(&app, group, "helmreleases/status", expression).await?;
    let history = app.existing(HELM_RELEASE, "app").await?.data["status"]["history"].clone();
    let twice = [&history[0], &history[0]];
    denial
        .wait_for_status(HELM_RELEASE, "app", json!({"history": twice}))
        .await?;
    let statuses = async || {
        let writes = app.testbed.writes(&app).await?;
        let of_status = writes
            .iter()
            .filter(|write| write.subresource == "status" && !write.dry_run);
        anyhow::Ok(of_status.filter(|write| write.resource == "helmreleases").count())
    };
    let before = statuses().await?;
    app.patch(
        HELM_RELEASE,
        "app",
        json!({"spec": {"values": {"colour": "red"}}}),
    )
    .await?;
    // It is announced, twice refused at the end of the run, and once more by the next one.
    eventually("the status is refused more than once", async || {
        Ok((statuses().await? >= before + 4).then_some(()))
    })
    .await?;
    app.wait_statuses(&["superseded", "deployed"]).await?;
    denial.lift().await?;
    let object = app.wait_released("app").await?;
    app.wait_statuses(&["superseded", "deployed"]).await?;
    let snapshots = object.data["status"]["history"].as_array();
    let versions = snapshots
        .into_iter()
        .flatten()
        .map(|snapshot| snapshot["version"].as_i64());
    assert_eq!(versions.collect::<Vec<_>>(), [Some(2), Some(1)]);
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_holds_up_no_other_release() -> Result<()> {
    const SHARD: &str = "helm-unanswered";
    /// How long the API server waits for it.
    const SILENCE: Duration = Duration::from_secs(30);
    let stuck = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let healthy = ReleaseApp::owned_by(Owner::Shard(SHARD), "helm-answered", &["1.0.0"]).await?;
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={SHARD}");
    let arguments = [selector.as_str(), "--controllers=helm", "--concurrent=1"];
    let name = format!("openflux-controller-{SHARD}");
    let _controller = stuck.testbed.start_openflux(&name, &arguments)?;
    let writes = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
        "operations": ["CREATE", "UPDATE"]});
    let asks = json!({"failurePolicy": "Fail", "timeoutSeconds": SILENCE.as_secs(), "rules": [writes]});
    let nobody = ask_nobody(&stuck, asks).await?;
    let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}});
    wait_silent(&stuck, &nobody, CONFIG_MAP, probe).await?;

    let start = Instant::now();
    stuck.release("app", json!({})).await?;
    stuck.wait_statuses(&["pending-install"]).await?;
    // The only worker does something else meanwhile.
    healthy.release_ready("app", json!({})).await?;
    let records = stuck.records().await?;
    let status = records
        .first()
        .map(|record| record["release"]["info"]["status"].clone());
    if start.elapsed() < SILENCE {
        assert_eq!(status, Some("pending-install".into()));
    }
    let object = stuck.wait_stalled("app", "InstallFailed").await?;
    let message = condition(&object, "Ready").and_then(|ready| ready["message"].as_str());
    assert!(
        message.is_some_and(|message| message.contains("failed calling webhook")),
        "{message:?}"
    );
    stuck.wait_statuses(&["failed"]).await
}

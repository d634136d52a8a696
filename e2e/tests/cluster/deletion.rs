//! What becomes of the objects when their Kustomization is deleted: `deletionPolicy`, `prune`, `suspend`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::testbed::{Answer, Archive, ArtifactServer, CONFIG_MAP, KUSTOMIZATION, Testbed, eventually};
use futures::StreamExt;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use kube::api::{DeleteParams, DynamicObject};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::app::{App, Owner, config_map, start_shard};
use crate::artifacts::{consume, consume_as, offer};
use crate::webhooks::ask_nobody;

#[tokio::test]
async fn each_policy_deletes_or_keeps() -> Result<()> {
    let app = App::start("deletion", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    for (name, spec, deletes) in [
        ("mirror", json!({}), true),
        ("mirror-no-prune", json!({"prune": false}), false),
        (
            "delete",
            json!({"prune": false, "deletionPolicy": "Delete"}),
            true,
        ),
        ("wait", json!({"deletionPolicy": "WaitForTermination"}), true),
        ("orphan", json!({"deletionPolicy": "Orphan"}), false),
        ("suspended", json!({"deletionPolicy": "Delete"}), false),
    ] {
        let mut spec = spec;
        spec["namePrefix"] = format!("{name}-").into();
        app.deploy_ready(name, spec).await?;
        if name == "suspended" {
            app.patch(KUSTOMIZATION, name, json!({"spec": {"suspend": true}}))
                .await?;
        }
        app.delete(KUSTOMIZATION, name).await?;
        app.wait_gone(KUSTOMIZATION, name).await?;
        let left = app.get(CONFIG_MAP, &format!("{name}-a")).await?;
        assert_eq!(left.is_none(), deletes, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn wait_for_termination_waits() -> Result<()> {
    let held = config_map("a", "blue").replace("name: a", "name: a, finalizers: [openflux.test/hold]");
    let app = App::start("termination", &[("deploy/a.yaml", &held)]).await?;
    app.deploy_ready(
        "app",
        json!({"deletionPolicy": "WaitForTermination", "timeout": "2m"}),
    )
    .await?;
    app.delete(KUSTOMIZATION, "app").await?;
    let terminating = |object: &DynamicObject| object.metadata.deletion_timestamp.is_some();
    app.wait(CONFIG_MAP, "a", "is being deleted", terminating).await?;
    // Nobody else is held up by it.
    app.deploy_ready("other", json!({"namePrefix": "other-"})).await?;
    app.existing(KUSTOMIZATION, "app").await?;
    app.patch(CONFIG_MAP, "a", json!({"metadata": {"finalizers": null}}))
        .await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(app.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_namespace_goes_with_the_kustomizations_in_it() -> Result<()> {
    let app = App::start("namespace", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    let outside = app.testbed.namespace("outside").await?;
    app.deploy_ready("app", json!({"targetNamespace": outside.name()}))
        .await?;
    outside.get(CONFIG_MAP, "a").await?.context("applied")?;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(app.client().clone());
    namespaces.delete(app.name(), &DeleteParams::default()).await?;
    eventually("the namespace to go", async || {
        Ok(namespaces.get_opt(app.name()).await?.is_none().then_some(()))
    })
    .await?;
    assert!(outside.get(CONFIG_MAP, "a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn objects_that_are_nobody_knows_where_are_not_deleted_in_this_cluster() -> Result<()> {
    let app = App::start("remote", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    // As if stock had applied all this elsewhere: there is an object of the same name here, with the same labels.
    let elsewhere = json!({"spec": {"kubeConfig": {"configMapRef": {"name": "elsewhere"}}}});
    app.patch(KUSTOMIZATION, "app", elsewhere).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    let unknown = format!("failed to get configmap {}/elsewhere", app.name());
    assert!(message.contains(&unknown), "{message}");
    app.delete(KUSTOMIZATION, "app").await?;
    app.events_with(&unknown).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    // Whoever keeps the objects anyway may go.
    let orphan = json!({"spec": {"deletionPolicy": "Orphan"}});
    app.patch(KUSTOMIZATION, "app", orphan).await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    Ok(())
}

/// A policy that denies the deletion of ConfigMaps in one namespace.
fn denial(name: &str, namespace: &str) -> [String; 2] {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]},
                ],
            },
            "validations": [{"expression": "false", "message": "not now"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    });
    [policy.to_string(), binding.to_string()]
}

#[tokio::test]
async fn a_deletion_that_failed_is_tried_again_soon() -> Result<()> {
    let app = App::start("denied", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({"retryInterval": "1h"})).await?;
    for object in denial("denied-deletion", app.name()) {
        app.apply(&object).await?;
    }
    let policies = Api::<ValidatingAdmissionPolicyBinding>::all(app.client().clone());
    eventually("the policy to be in force", async || {
        let api = app.api(CONFIG_MAP);
        let dry_run = DeleteParams {
            dry_run: true,
            ..DeleteParams::default()
        };
        Ok(api.delete("a", &dry_run).await.is_err().then_some(()))
    })
    .await?;
    app.delete(KUSTOMIZATION, "app").await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", "PruneFailed").await?;
    assert!(message.contains("not now"), "{message}");
    policies
        .delete("denied-deletion", &DeleteParams::default())
        .await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?, None);
    Ok(())
}

#[tokio::test]
async fn deleted_at_any_moment_of_the_first_run_nothing_stays_behind() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("early").await?;
    testbed.openflux_controller().await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    let lives = (0..120_u64).map(async |number| -> Result<String> {
        let name = format!("app-{number}");
        let spec = json!({"namePrefix": format!("{name}-")});
        consume(&namespace, &name, "app", spec).await?;
        tokio::time::sleep(Duration::from_millis(number % 40 * 3)).await;
        namespace.delete(KUSTOMIZATION, &name).await?;
        Ok(name)
    });
    let names: Vec<Result<String>> = futures::stream::iter(lives).buffer_unordered(8).collect().await;
    for name in names {
        namespace.wait_gone(KUSTOMIZATION, &name?).await?;
    }
    // What a run that was in flight would have applied late.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = namespace.list(CONFIG_MAP).await?;
    let mut left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    left.retain(|name| name.starts_with("app-"));
    assert_eq!(left, Vec::<String>::new());
    Ok(())
}

/// The API server looks for finalizers once, when it takes up a deletion; a webhook stretches the moment between that
/// look and the end of the object.
#[tokio::test]
async fn a_deletion_that_was_under_way_when_the_finalizer_was_written_leaves_nothing_behind() -> Result<()> {
    let shard = "under-way";
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace(shard).await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    consume_as(Owner::Shard(shard), &namespace, "app", "app", json!({})).await?;
    let deletes = json!({
        "apiGroups": ["kustomize.toolkit.fluxcd.io"], "apiVersions": ["v1"], "resources": ["kustomizations"],
        "operations": ["DELETE"],
    });
    let asks = json!({"failurePolicy": "Ignore", "timeoutSeconds": 15, "rules": [deletes]});
    let nobody = ask_nobody(&namespace, asks).await?;
    let api = namespace.api(KUSTOMIZATION);
    let dry_run = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    let probe = eventually("the API server to ask", async || {
        tokio::select! {
            question = nobody.accept() => Ok(Some(question?)),
            answer = api.delete("app", &dry_run) => Ok(answer.map(|_| None)?),
        }
    })
    .await?;
    drop(probe);
    let deletion = namespace.delete(KUSTOMIZATION, "app");
    let life = async {
        // The API server asks, so that it has looked for finalizers.
        let question = nobody.accept().await?;
        let controller = start_shard(testbed, shard)?;
        let object = namespace.wait_ready(KUSTOMIZATION, "app").await?;
        assert!(object.metadata.deletion_timestamp.is_none());
        assert_eq!(object.finalizers().len(), 1);
        assert!(namespace.get(CONFIG_MAP, "a").await?.is_some());
        Ok::<_, anyhow::Error>((controller, question))
    };
    let (deleted, alive) = futures::join!(deletion, life);
    deleted?;
    let _alive = alive?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(CONFIG_MAP, "a").await
}

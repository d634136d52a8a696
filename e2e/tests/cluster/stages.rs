//! Stages: definitions before what they define, and a stage is applied as a whole or not at all.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, Kind, Namespace, Testbed, condition, eventually};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map};
use crate::artifacts::{consume, deliver};
use crate::together::{Side, together};

#[tokio::test]
async fn one_rejected_object_keeps_its_stage_from_being_applied() -> Result<()> {
    let files = [
        ("deploy/a.yaml", &*config_map("a", "blue")),
        ("deploy/b.yaml", &*config_map("Not_A_Name", "blue")),
        ("deploy/z.yaml", &*config_map("z", "blue")),
    ];
    let app = App::start("stage", &files).await?;
    app.deploy("app", json!({})).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    let object = format!("ConfigMap/{}/Not_A_Name dry-run failed (Invalid): ", app.name());
    assert!(
        message.contains(&object) && message.contains("metadata.name"),
        "{message}"
    );
    for name in ["a", "z"] {
        assert!(app.get(CONFIG_MAP, name).await?.is_none(), "{name} was applied");
    }

    let commit = app.push(&[("deploy/b.yaml", &config_map("b", "blue"))]).await?;
    app.wait_applied("app", &commit).await?;
    for name in ["a", "b", "z"] {
        app.existing(CONFIG_MAP, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_definition_and_its_objects_come_in_one_commit() -> Result<()> {
    const WIDGET: Kind = Kind {
        api_version: "stages.openflux.test/v1",
        kind: "Widget",
        plural: "widgets",
    };
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.stages.openflux.test"},
        "spec": {
            "group": "stages.openflux.test", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let widget = "{apiVersion: stages.openflux.test/v1, kind: Widget, metadata: {name: w}, spec: {size: 1}}";
    let missing = [("deploy/widget.yaml", widget)];
    let app = App::start("definitions", &missing).await?;
    app.deploy("app", json!({})).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    for part in [
        format!("Widget/{}/w", app.name()),
        "stages.openflux.test/v1".to_owned(),
    ] {
        assert!(message.contains(&part), "{part} is not in: {message}");
    }

    let commit = app
        .push(&[("deploy/definition.yaml", &definition.to_string())])
        .await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.existing(WIDGET, "w").await?.data["spec"]["size"], 1);
    Ok(())
}

/// A definition in a group of its own, with a short name that only one of a group may have.
fn definition(group: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "shortNames": ["short"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

async fn wait_for_condition(app: &Namespace, name: &str, kind: &str, status: &str) -> Result<()> {
    let api = definitions(app);
    eventually(&format!("{name} is {kind}={status}"), async || {
        let object = api.get_opt(name).await?;
        let has = object.is_some_and(|object| {
            condition(&object, kind).is_some_and(|condition| condition["status"] == status)
        });
        Ok(has.then_some(()))
    })
    .await
}

fn definitions(app: &Namespace) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = ApiResource::from_gvk_with_plural(&kind, "customresourcedefinitions");
    Api::all_with(app.client().clone(), &resource)
}

/// How a Kustomization ends that consists of a definition whose names are taken.
async fn definitions_alone(side: Side) -> Result<Value> {
    let group = if side.owner == Owner::Stock {
        "taken.stock.openflux.test"
    } else {
        "taken.ours.openflux.test"
    };
    let taken = definition(group, "Gizmo", "gizmos").to_string();
    let app = App::owned_by(side.owner, "crds", &[("deploy/definition.yaml", &taken)]).await?;
    app.apply(&definition(group, "Widget", "widgets").to_string())
        .await?;
    wait_for_condition(&app, &format!("widgets.{group}"), "Established", "True").await?;
    app.deploy("app", json!({"retryInterval": "1h"})).await?;
    let seen = side.same("failed", async || {
        let message = app.wait_failed_at_first("app", "ReconciliationFailed").await?;
        Ok(Some(message.trim_end().replace(group, "GROUP").into()))
    });
    seen.await
}

#[tokio::test]
async fn definitions_alone_are_ready_when_they_are_established() -> Result<()> {
    let (_, ours) = together(definitions_alone).await?;
    let waits = "CustomResourceDefinition/gizmos.GROUP status: 'Failed'";
    assert!(ours.to_string().contains(waits), "{ours}");
    Ok(())
}

#[tokio::test]
async fn a_kind_that_is_being_defined_is_tried_again_soon() -> Result<()> {
    const GROUP: &str = "soon.openflux.test";
    let gizmo = "{apiVersion: soon.openflux.test/v1, kind: Gizmo, metadata: {name: g}}";
    let testbed = Testbed::shared().await?;
    let app = testbed.namespace("soon").await?;
    testbed.openflux_controller().await?;
    let _server = deliver(&app, &[("gizmo.yaml", gizmo)]).await?;
    app.apply(&definition(GROUP, "Widget", "widgets").to_string())
        .await?;
    wait_for_condition(&app, "widgets.soon.openflux.test", "Established", "True").await?;
    // It is there, but not established as long as the other has its short name.
    app.apply(&definition(GROUP, "Gizmo", "gizmos").to_string())
        .await?;
    wait_for_condition(&app, "gizmos.soon.openflux.test", "NamesAccepted", "False").await?;

    consume(&app, "app", "app", json!({"retryInterval": "1h"})).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(message.contains("no matches for kind \"Gizmo\""), "{message}");
    definitions(&app)
        .delete("widgets.soon.openflux.test", &DeleteParams::default())
        .await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

#[tokio::test]
async fn what_was_applied_before_a_failure_is_in_the_inventory() -> Result<()> {
    let files = [
        ("deploy/a.yaml", &*config_map("a", "blue")),
        ("deploy/b.yaml", &*config_map("b", "blue")),
    ];
    let app = App::start("half", &files).await?;
    // Every namespace gets it, sooner or later; it counts.
    app.wait(CONFIG_MAP, "kube-root-ca.crt", "is there", |_| true)
        .await?;
    // A dry-run takes nothing of a quota, so that only the second object fails, and only in earnest.
    let existing = app.list(CONFIG_MAP).await?.len();
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"count/configmaps": (existing + 1).to_string()}}});
    app.apply(&quota.to_string()).await?;
    let quotas = Kind {
        api_version: "v1",
        kind: "ResourceQuota",
        plural: "resourcequotas",
    };
    let counted = |object: &DynamicObject| !object.data["status"]["used"].is_null();
    app.wait(quotas, "few", "is counted", counted).await?;

    app.deploy("app", json!({"retryInterval": "1h"})).await?;
    let message = app.wait_failed_at_first("app", "ReconciliationFailed").await?;
    assert!(message.contains("exceeded quota"), "{message}");
    let entries = app.existing(KUSTOMIZATION, "app").await?.data["status"]["inventory"]["entries"].take();
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries}");
    assert_eq!(entries[0]["id"], format!("{}_a__ConfigMap", app.name()));

    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert_eq!(app.colour("a").await?, None);
    Ok(())
}

#[tokio::test]
async fn what_was_applied_in_an_older_version_moves_to_the_new_one_on_request() -> Result<()> {
    const GADGET: Kind = Kind {
        api_version: "migrate.openflux.test/v2",
        kind: "Gadget",
        plural: "gadgets",
    };
    let version = |name: &str, fields: &Value| {
        let spec = json!({"type": "object", "properties": fields});
        json!({"name": name, "served": true, "storage": false,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}})
    };
    let definition = |mut versions: Vec<Value>| {
        if let Some(newest) = versions.last_mut() {
            newest["storage"] = true.into();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "gadgets.migrate.openflux.test"},
            "spec": {"group": "migrate.openflux.test", "scope": "Namespaced",
                "names": {"kind": "Gadget", "plural": "gadgets"}, "versions": versions},
        })
        .to_string()
    };
    let gadget = |version: &str, size: u32| {
        json!({"apiVersion": format!("migrate.openflux.test/{version}"), "kind": "Gadget",
            "metadata": {"name": "g"}, "spec": {"size": size}})
        .to_string()
    };
    let old = json!({"size": {"type": "integer"}, "note": {"type": "string"}});
    let mut new = old.clone();
    new["colour"] = json!({"type": "string", "default": "blue"});
    let (old, new) = (version("v1", &old), version("v2", &new));
    let files = [
        ("deploy/definition.yaml", &*definition(vec![old.clone()])),
        ("deploy/gadget.yaml", &*gadget("v1", 1)),
    ];
    let app = App::start("migrate", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    // Somebody else whose entry stays at the old version.
    let served = Kind {
        api_version: "migrate.openflux.test/v1",
        ..GADGET
    };
    app.patch(served, "g", json!({"spec": {"note": "theirs"}}))
        .await?;
    let commit = app
        .push(&[
            ("deploy/definition.yaml", &definition(vec![old, new])),
            ("deploy/gadget.yaml", &gadget("v2", 2)),
        ])
        .await?;
    app.wait_applied("app", &commit).await?;
    let commit = app.push(&[("deploy/gadget.yaml", &gadget("v2", 3))]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    assert!(message.contains("field not declared in schema"), "{message}");

    let arguments = [
        "--watch-label-selector=sharding.fluxcd.io/key=migrating",
        "--controllers=kustomize",
        "--feature-gates=MigrateAPIVersion=true",
    ];
    let _controller = app
        .testbed
        .start_openflux("openflux-controller-migrating", &arguments)?;
    let label = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": "migrating"}}});
    app.patch(KUSTOMIZATION, "app", label).await?;
    app.wait_applied("app", &commit).await?;
    let moved = app.existing(GADGET, "g").await?;
    assert_eq!(
        moved.data["spec"],
        json!({"size": 3, "colour": "blue", "note": "theirs"})
    );
    let entries = moved.metadata.managed_fields.unwrap_or_default();
    assert!(!entries.is_empty());
    for entry in entries {
        assert_eq!(
            entry.api_version.as_deref(),
            Some(GADGET.api_version),
            "{:?}",
            entry.manager
        );
    }
    Ok(())
}

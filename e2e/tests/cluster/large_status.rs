//! An object with a status of a megabyte and a half is an object like any other.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, Kind};
use serde_json::json;

use crate::app::{App, Owner, config_map, start_shard};

const REPORT: Kind = Kind {
    api_version: "large.openflux.test/v1",
    kind: "Report",
    plural: "reports",
};

#[tokio::test]
async fn a_large_status_is_no_burden() -> Result<()> {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "reports.large.openflux.test"},
        "spec": {
            "group": "large.openflux.test", "scope": "Namespaced", "names": {"kind": "Report", "plural": "reports"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let report = |size: u32| {
        format!(
            "{{apiVersion: large.openflux.test/v1, kind: Report, metadata: {{name: r}}, spec: {{size: {size}}}}}"
        )
    };
    let files = [
        ("deploy/crd.yaml", &*definition.to_string()),
        ("deploy/report.yaml", &*report(1)),
    ];
    let app = App::owned_by(Owner::Shard("large"), "large", &files).await?;
    app.testbed.openflux_controller().await?;
    let controller = start_shard(app.testbed, "large")?;
    app.deploy_ready("app", json!({"wait": true})).await?;

    // etcd takes requests of up to 1.5 MiB; the condition comes behind all that text.
    let status = json!({"status": {
        "a-text": "x".repeat(1_500_000),
        "conditions": [{"type": "Ready", "status": "True", "reason": "Done", "message": ""}],
    }});
    app.patch_status(REPORT, "r", status).await?;
    let commit = app
        .push(&[
            ("deploy/report.yaml", &report(2)),
            ("deploy/more.yaml", &config_map("more", "blue")),
        ])
        .await?;
    app.wait_applied("app", &commit).await?;
    let kept = app.existing(REPORT, "r").await?;
    assert_eq!(kept.data["spec"]["size"], 2);
    assert_eq!(
        kept.data["status"]["a-text"].as_str().map(str::len),
        Some(1_500_000)
    );
    app.reconcile("app").await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    // Watched objects are not kept whole.
    let peak = controller.usage()?.peak_resident >> 20;
    assert!(peak < 120, "{peak} MiB");
    Ok(())
}

//! Admission webhooks that do not answer: they hold up nobody else, and no newer event.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, Namespace, Testbed, Write};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::{App, Owner, config_map};

/// Makes requests in a namespace wait for somebody who takes connections and says nothing; `asks` has the rules, and
/// what follows from silence.
pub(crate) async fn ask_nobody(namespace: &Namespace, asks: Value) -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut webhook = json!({
        "name": "nobody.openflux.test", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"url": format!("https://{}/", listener.local_addr()?)},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace.name()}},
    });
    for field in ["failurePolicy", "timeoutSeconds", "rules"] {
        webhook[field] = asks[field].clone();
    }
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace.name()}, "webhooks": [webhook],
    });
    namespace.apply(&configuration.to_string()).await?;
    Ok(listener)
}

const SHARD: Owner = Owner::Shard("unanswered");

/// An application of many objects, in a namespace whose webhook does not answer.
async fn unanswered() -> Result<(App, TcpListener)> {
    let files: Vec<_> = (0..24)
        .map(|number| {
            (
                format!("deploy/{number}.yaml"),
                config_map(&format!("a-{number}"), "blue"),
            )
        })
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let app = App::owned_by(SHARD, "unanswered", &files).await?;
    let writes =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]});
    let asks = json!({"failurePolicy": "Fail", "timeoutSeconds": 30, "rules": [writes]});
    let nobody = ask_nobody(&app, asks).await?;
    Ok((app, nobody))
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_holds_up_nobody_else() -> Result<()> {
    let testbed = Testbed::shared().await?;
    testbed.openflux_controller().await?;
    let arguments = [
        "--watch-label-selector=sharding.fluxcd.io/key=unanswered",
        "--controllers=kustomize",
        "--concurrent=1",
    ];
    let _controller = testbed.start_openflux("openflux-controller-unanswered", &arguments)?;

    // One of the four that are asked about at once fails when the API server gives up, and the others are not asked about.
    let (failing, _nobody) = unanswered().await?;
    failing.deploy("app", json!({"retryInterval": "1h"})).await?;
    let message = failing
        .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    assert!(message.contains("failed calling webhook"), "{message}");
    let is_dry_run = |write: &&Write| write.resource == "configmaps" && write.dry_run;
    let asked = failing.writes().await?.iter().filter(is_dry_run).count();
    assert!((1..=8).contains(&asked), "{asked} dry-runs");

    // The only worker does something else meanwhile, and what is planned in vain ends with its object.
    let (stuck, _nobody) = unanswered().await?;
    stuck.deploy("app", json!({})).await?;
    let healthy = App::owned_by(SHARD, "answered", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    healthy.deploy_ready("app", json!({})).await?;
    stuck.delete(KUSTOMIZATION, "app").await?;
    stuck.wait_gone(KUSTOMIZATION, "app").await?;
    Ok(())
}

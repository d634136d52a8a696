//! `spec.kubeConfig.configMapRef`: clusters that are reached with tokens of a provider.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{
    AUDIENCE, CONFIG_MAP, HELM_RELEASE, KUSTOMIZATION, Namespace, Stock, Testbed, eventually, free_port,
};
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deploy};
use crate::far::Far;
use crate::operations::get;
use crate::release_app::ReleaseApp;
use crate::side_by_side::failures;
use crate::together::{Side, together};

/// What a ConfigMap has to say about the other cluster.
fn settings(far: &Far, account: &str) -> Result<BTreeMap<String, String>> {
    let kubeconfig = far.testbed.portable_kubeconfig()?;
    let field = |name: &str| {
        let found = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(name));
        found.unwrap_or_default().trim().to_owned()
    };
    let authority = STANDARD.decode(field("certificate-authority-data:"))?;
    Ok([
        ("provider", "generic".to_owned()),
        ("address", field("server:")),
        ("ca.crt", String::from_utf8(authority)?),
        ("audiences", AUDIENCE.to_owned()),
        ("serviceAccountName", account.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into())
}

async fn keep(namespace: &Namespace, name: &str, data: &BTreeMap<String, String>) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
    namespace.apply(&object.to_string()).await
}

async fn account(namespace: &Namespace, name: &str, annotations: &Value) -> Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "annotations": annotations}});
    namespace.apply(&object.to_string()).await
}

/// Lets an account of a namespace here do everything in the namespace there.
async fn welcome(far: &Far, namespace: &str, account: &str) -> Result<()> {
    let name = format!("home:system:serviceaccount:{namespace}:{account}");
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": account},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}]});
    far.namespace.apply(&binding.to_string()).await
}

fn through(map: &str) -> Value {
    json!({"configMapRef": {"name": map}})
}

fn spec(far: &Far, map: &str) -> Value {
    json!({"kubeConfig": through(map), "targetNamespace": far.namespace.name(),
        "path": "deploy", "sourceRef": {"kind": "GitRepository", "name": "app"}, "retryInterval": "1h"})
}

/// What a controller tells of tokens that it has made for the Kustomization `app`, without the namespace.
async fn tokens_made(metrics: &str) -> Result<BTreeSet<String>> {
    let text = get(metrics, "/metrics").await?;
    let events = text.lines().filter_map(|line| {
        line.strip_prefix("gotk_token_cache_events_total{")?
            .split_once('}')
    });
    let series = events.map(|(labels, _)| {
        let labels = labels.split(',').filter(|label| !label.starts_with("namespace="));
        labels.collect::<Vec<_>>().join(",")
    });
    let wanted = ["cache_miss", "kind=\"Kustomization\"", "name=\"app\""];
    let made = series.filter(|labels| wanted.iter().all(|wanted| labels.contains(wanted)));
    Ok(made.collect())
}

/// An account of one cluster that may do everything in a namespace of the other, which trusts it. What it says when it is
/// nobody there, and what the controller at `metrics` tells of the tokens.
async fn applies_with_a_token(shard: &'static str, metrics: &str) -> Result<(String, BTreeSet<String>)> {
    let owner = Owner::Shard(shard);
    let files = [("deploy/a.yaml", &*config_map("a", "blue"))];
    let app = App::owned_by(owner, "identity", &files).await?;
    let far = Far::start("identity").await?;
    account(&app, "deployer", &json!({})).await?;
    welcome(&far, app.name(), "deployer").await?;
    keep(&app, "far", &settings(&far, "deployer")?).await?;
    deploy(&app, owner, "app", &[spec(&far, "far")]).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    far.namespace
        .get(CONFIG_MAP, "a")
        .await?
        .context("applied there")?;
    assert!(app.get(CONFIG_MAP, "a").await?.is_none(), "not here");

    // Another audience is nobody that the other cluster knows.
    let mut wrong = settings(&far, "deployer")?;
    wrong.insert("audiences".to_owned(), "https://somebody.else".to_owned());
    keep(&app, "wrong", &wrong).await?;
    deploy(&app, owner, "wrong", &[spec(&far, "wrong")]).await?;
    let message = app
        .wait_failed(KUSTOMIZATION, "wrong", "ReconciliationFailed")
        .await?;

    let made = tokens_made(metrics).await?;
    app.delete(KUSTOMIZATION, "app").await?;
    app.wait_gone(KUSTOMIZATION, "app").await?;
    assert!(far.namespace.get(CONFIG_MAP, "a").await?.is_none());
    eventually("what is told of a deleted object to go", async || {
        let gone = tokens_made(metrics).await?.is_empty();
        Ok(gone.then_some(()))
    })
    .await?;
    Ok((message, made))
}

#[tokio::test]
async fn an_account_of_this_cluster_acts_in_another_that_trusts_it() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    let selector = |shard: &str| format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
    let address = || free_port().map(|port| format!("127.0.0.1:{port}"));
    let (of_stock, of_ours) = (address()?, address()?);
    let told = |address: &str| format!("--metrics-addr={address}");
    let arguments = [&*selector("identity-stock"), gate, &told(&of_stock)];
    let _stock = testbed.start_stock(Stock::Kustomize, &arguments)?;
    let arguments = [
        &*selector("identity-ours"),
        "--controllers=kustomize,helm",
        gate,
        &told(&of_ours),
    ];
    let _ours = testbed.start_openflux("openflux-controller-identity", &arguments)?;
    testbed.openflux_controller().await?;
    let (stock, ours, ()) = tokio::try_join!(
        applies_with_a_token("identity-stock", &of_stock),
        applies_with_a_token("identity-ours", &of_ours),
        releases_with_a_token("identity-ours"),
    )?;
    assert_eq!(ours.1, stock.1);
    assert!(
        ours.1
            .iter()
            .any(|labels| labels.contains("operation=\"fetch_kubeconfig\"")),
        "{:?}",
        ours.1
    );
    for (message, _) in [stock, ours] {
        assert!(message.contains("Unauthorized"), "{message}");
    }
    Ok(())
}

/// A release in the other cluster.
async fn releases_with_a_token(shard: &'static str) -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Shard(shard), "identity-hr", &["1.0.0"]).await?;
    let far = Far::start("identity-hr").await?;
    account(&app, "deployer", &json!({})).await?;
    welcome(&far, app.name(), "deployer").await?;
    keep(&app, "far", &settings(&far, "deployer")?).await?;
    let there = far.namespace.name();
    // Nobody there makes Deployments ready.
    let no_wait = json!({"disableWait": true});
    let spec = json!({"kubeConfig": through("far"), "targetNamespace": there, "storageNamespace": there,
        "install": no_wait, "uninstall": no_wait});
    app.release_ready("app", spec).await?;
    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await
}

/// ConfigMaps that lead nowhere, by name, as differences from one that leads somewhere.
const SPOILT: [(&str, &[(&str, &str)]); 13] = [
    ("gate", &[]),
    ("provider", &[("provider", "huawei")]),
    ("no-provider", &[("provider", "")]),
    ("account", &[("serviceAccountName", "absent")]),
    ("aws-cluster", &[("provider", "aws")]),
    ("aws-account", &[("provider", "aws"), ("cluster", ARN)]),
    (
        "aws-role",
        &[
            ("provider", "aws"),
            ("cluster", ARN),
            ("serviceAccountName", "odd"),
        ],
    ),
    ("azure-account", &[("provider", "azure")]),
    (
        "azure-client",
        &[("provider", "azure"), ("serviceAccountName", "odd")],
    ),
    (
        "gcp-pool",
        &[
            ("provider", "gcp"),
            ("audiences", ""),
            ("serviceAccountName", "odd"),
        ],
    ),
    ("gcp-email", &[("provider", "gcp"), ("serviceAccountName", "odd")]),
    ("gcp-gate", &[("provider", "gcp")]),
    ("own", &[("serviceAccountName", "")]),
];

const ARN: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/far";

async fn messages(side: Side) -> Result<()> {
    let files = [("deploy/a.yaml", &*config_map("a", "blue"))];
    let app = App::owned_by(side.owner, "identities", &files).await?;
    let far = Far::start("identities").await?;
    account(&app, "plain", &json!({})).await?;
    let odd = json!({"eks.amazonaws.com/role-arn": "somebody", "azure.workload.identity/tenant-id": "tenant",
        "iam.gke.io/gcp-service-account": "me@example.org", "gcp.auth.fluxcd.io/workload-identity-provider": "odd"});
    account(&app, "odd", &odd).await?;
    let mut names = vec!["absent"];
    for (name, changes) in SPOILT {
        let mut data = settings(&far, "plain")?;
        data.extend(
            changes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        keep(&app, name, &data).await?;
        names.push(name);
    }
    for name in &names {
        app.deploy(name, spec(&far, name)).await?;
    }
    side.same("messages", async || {
        let names = names.iter().copied();
        failures(&app, names, "ReconciliationFailed").await.map(Some)
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_leads_nowhere_is_refused_in_the_words_of_stock() -> Result<()> {
    together(messages).await?;
    Ok(())
}

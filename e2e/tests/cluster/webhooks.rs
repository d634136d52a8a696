//! Admission webhooks that do not answer: they hold up nobody else, and no newer event.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, EVENT, KUSTOMIZATION, Kind, Namespace, Process, Testbed,
    Write, eventually,
};
use kube::api::{DynamicObject, PostParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::{App, Owner, config_map, start_shard};
use crate::artifacts::{consume_as, deliver, offer};

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

/// Waits until the API server heeds the silent webhook, which it does a moment after it exists.
pub(crate) async fn wait_silent(
    namespace: &Namespace,
    nobody: &TcpListener,
    kind: Kind,
    probe: Value,
) -> Result<()> {
    let probe: DynamicObject = serde_json::from_value(probe)?;
    let api = namespace.api(kind);
    let post = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("the webhook is asked", async || {
        tokio::select! {
            connection = nobody.accept() => Ok(Some(connection.map(drop)?)),
            answer = api.create(&post, &probe) => Ok(answer.map(|_| None)?),
        }
    })
    .await?;
    forget_connections(nobody).await
}

/// Takes the connections that are about what was asked before.
async fn forget_connections(nobody: &TcpListener) -> Result<()> {
    let moment = Duration::from_millis(300);
    while let Ok(connection) = tokio::time::timeout(moment, nobody.accept()).await {
        connection?;
    }
    Ok(())
}

/// Waits until the log says that a Kustomization of a namespace is suspended.
async fn wait_suspended(controller: &Process, namespace: &Namespace) -> Result<()> {
    eventually("the suspension in the log", async || {
        let says =
            |line: &str| line.contains("Reconciliation is suspended") && line.contains(namespace.name());
        Ok(controller.output().lines().any(says).then_some(()))
    })
    .await
}

/// API servers wait for so long at most.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn planning_ends_after_the_timeout_of_the_object_or_with_its_suspension() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let controller = start_shard(testbed, "silent")?;
    let config_maps =
        json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]});
    let asks =
        json!({"failurePolicy": "Fail", "timeoutSeconds": WEBHOOK_TIMEOUT.as_secs(), "rules": [config_maps]});
    let colours = ["blue", "red"].map(|colour| {
        let files = [
            ("a.yaml", &*config_map("a", colour)),
            ("b.yaml", &*config_map("b", "blue")),
        ];
        Archive::of(&files).pack()
    });
    let [blue, red] = colours;
    let server = ArtifactServer::start([("blue", Answer::Bytes(blue?)), ("red", Answer::Bytes(red?))])?;
    // What is new is planned by dry-run; what is the only change is applied without one.
    for is_new in [true, false] {
        let namespace = testbed.namespace("silent").await?;
        offer(&namespace, "app", &server, "blue").await?;
        let spec = json!({"timeout": "5s", "retryInterval": "1h"});
        if !is_new {
            consume_as(Owner::Shard("silent"), &namespace, "app", "app", spec.clone()).await?;
            namespace.wait_ready(KUSTOMIZATION, "app").await?;
        }
        // Every namespace gets it, and nobody would allow it.
        namespace
            .wait(CONFIG_MAP, "kube-root-ca.crt", "is there", |_| true)
            .await?;
        let nobody = ask_nobody(&namespace, asks.clone()).await?;
        let probe = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}});
        wait_silent(&namespace, &nobody, CONFIG_MAP, probe).await?;
        if is_new {
            consume_as(Owner::Shard("silent"), &namespace, "app", "app", spec).await?;
        } else {
            offer(&namespace, "app", &server, "red").await?;
        }
        let _connection = nobody.accept().await?;
        let asked = Instant::now();
        let message = namespace
            .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
            .await?;
        let took = asked.elapsed();
        assert!(took < WEBHOOK_TIMEOUT / 2, "{took:?}: {message}");
        assert!(
            message.contains("timed out: after 5s without an answer"),
            "{message}"
        );

        forget_connections(&nobody).await?;
        let unhurried = json!({"spec": {"timeout": "10m"}});
        namespace.patch(KUSTOMIZATION, "app", unhurried).await?;
        let _connection = nobody.accept().await?;
        namespace
            .patch(KUSTOMIZATION, "app", json!({"spec": {"suspend": true}}))
            .await?;
        let suspended = Instant::now();
        wait_suspended(&controller, &namespace).await?;
        let took = suspended.elapsed();
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_whose_events_are_not_taken_delays_those_of_no_other() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let _controller = start_shard(testbed, "speechless")?;
    let (speechless, other) = (
        testbed.namespace("speechless").await?,
        testbed.namespace("speaking").await?,
    );
    let events = json!({"apiGroups": ["", "events.k8s.io"], "apiVersions": ["v1"], "resources": ["events"],
        "operations": ["*"]});
    let asks =
        json!({"failurePolicy": "Ignore", "timeoutSeconds": WEBHOOK_TIMEOUT.as_secs(), "rules": [events]});
    let nobody = ask_nobody(&speechless, asks).await?;
    let about = json!({"kind": "ConfigMap", "name": "a", "namespace": speechless.name()});
    let probe =
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "probe"}, "involvedObject": about});
    wait_silent(&speechless, &nobody, EVENT, probe).await?;
    let owner = Owner::Shard("speechless");
    let _server = deliver(&speechless, &[("a.yaml", &config_map("a", "blue"))]).await?;
    for name in ["one", "two"] {
        consume_as(
            owner,
            &speechless,
            name,
            "app",
            json!({"namePrefix": format!("{name}-")}),
        )
        .await?;
    }
    let _connection = nobody.accept().await?;

    let _server = deliver(&other, &[("a.yaml", &config_map("a", "blue"))]).await?;
    consume_as(owner, &other, "app", "app", json!({})).await?;
    other.wait_ready(KUSTOMIZATION, "app").await?;
    let ready = Instant::now();
    eventually("the event about the end of the run", async || {
        let events = other.list(EVENT).await?;
        let reasons = events.iter().filter_map(|event| event.data["reason"].as_str());
        Ok(reasons
            .clone()
            .any(|reason| reason == "ReconciliationSucceeded")
            .then_some(()))
    })
    .await?;
    let took = ready.elapsed();
    assert!(took < WEBHOOK_TIMEOUT / 3, "{took:?}");
    Ok(())
}

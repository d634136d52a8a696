//! A producer that is killed while it stores and publishes, at moments of chance.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::State;
use e2e::testbed::{ARTIFACT, HTTP, HttpServer, Namespace, Testbed, eventually};
use kube::api::DynamicObject;
use parking_lot::Mutex;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::producing::{Producing, get, labelled};

/// How many times it is killed at least.
const KILLS: u64 = 10;
/// How many of them have to fall between asking the server and having written the status.
const AT_WORK: u64 = 3;
/// How many times it is killed at most, on a machine that lets the test sleep for longer than it asks to.
const MOST: u64 = 40;

/// How long it may take to ask the server.
const ASKED_WITHIN: Duration = Duration::from_mins(1);

/// What is served, and how often it was asked for.
#[derive(Default)]
struct Content {
    text: Mutex<String>,
    asked: watch::Sender<u64>,
}

async fn serve(State(content): State<Arc<Content>>) -> String {
    content.asked.send_modify(|asked| *asked += 1);
    content.text.lock().clone()
}

async fn request(namespace: &Namespace, token: &str) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(HTTP, "web", patch).await.map(|_| ())
}

/// The Artifact, once what it advertises is what is served, to the byte.
async fn whole(namespace: &Namespace, name: &str) -> Result<DynamicObject> {
    eventually("what is advertised to be served", async || {
        let artifact = namespace.get(ARTIFACT, name).await?.context("the Artifact")?;
        let spec = &artifact.data["spec"];
        let Ok(bytes) = get(spec["url"].as_str().context("a URL")?).await else {
            return Ok(None);
        };
        let mut digest = "sha256:".to_owned();
        for byte in Sha256::digest(&bytes) {
            write!(digest, "{byte:02x}")?;
        }
        let is_same = spec["digest"] == digest && spec["size"] == bytes.len();
        Ok(is_same.then(|| artifact.clone()))
    })
    .await
}

#[tokio::test]
async fn what_is_advertised_is_served_whenever_it_is_killed() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("killed").await?;
    let flags = ["--controllers=http", "--http-source-label-selector=test=killed"];
    let mut producer = Producing::start(testbed, "http-killed", "http-killed", &flags)?;
    let content = Arc::<Content>::default();
    let set = |number: u64| *content.text.lock() = format!("{number}\n").repeat(20_000);
    set(0);
    let server = HttpServer::start(Router::new().fallback(serve).with_state(Arc::clone(&content)))?;
    let spec = json!({"url": server.url("/web"), "interval": "1h", "content": {"type": "File"}});
    labelled(&namespace, HTTP, "killed", "web", spec).await?;
    let name = format!("http-{}-web", namespace.name());
    namespace.wait_ready(ARTIFACT, &name).await?;
    let mut before = whole(&namespace, &name).await?;
    let (mut number, mut at_work) = (0, 0);
    while number < KILLS || at_work < AT_WORK {
        number += 1;
        ensure!(number <= MOST, "only {at_work} kills fell into work");
        set(number);
        let mut asked = content.asked.subscribe();
        let before_request = *asked.borrow_and_update();
        let token = number.to_string();
        request(&namespace, &token).await?;
        // Somewhere between hearing of the request and having written the status, which takes longer on a machine that is busy.
        let mut pause = 4 * (number % KILLS);
        if number % 2 == 0 {
            tokio::time::timeout(ASKED_WITHIN, asked.changed()).await??;
            pause = number % KILLS / 2;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
        producer.process.kill()?;
        let http = namespace.get(HTTP, "web").await?.context("the source")?;
        let is_over = http.data["status"]["lastHandledReconcileAt"] == token;
        at_work += u64::from(!is_over && *asked.borrow() > before_request);
        producer = producer.restart(testbed)?;
        whole(&namespace, &name).await?;
        // What was begun is done again, and comes out as if nothing had happened.
        let token = format!("{number} again");
        request(&namespace, &token).await?;
        let handled = |http: &DynamicObject| http.data["status"]["lastHandledReconcileAt"] == token;
        namespace.wait(HTTP, "web", "was looked at", handled).await?;
        namespace.wait_ready(HTTP, "web").await?;
        let after = whole(&namespace, &name).await?;
        assert_eq!(after.metadata.uid, before.metadata.uid);
        assert_ne!(after.data["spec"]["revision"], before.data["spec"]["revision"]);
        before = after;
    }
    // Half a file is gone with the next start.
    let _producer = producer.restart(testbed)?;
    whole(&namespace, &name).await?;
    let left = std::fs::read_dir(testbed.dir().join("volume-http-killed").join(".tmp"))?.count();
    assert_eq!(left, 0, "half a file is left");
    Ok(())
}

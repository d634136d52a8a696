//! The floor: what the API server needs for the requests of a roll-out when nobody decides or waits in between.
//!
//! One roll-out by our controller is recorded in the API server's audit log. On a fresh control plane the requests are
//! sent again, bodies and impersonation included: the controller's and the load's own, but not those of
//! kube-controller-manager, which runs here too and reacts as it did then. What belongs to one object keeps its
//! order; as many objects are in flight as the controller had workers. The watches are open as they were.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::http::{Request, header};
use e2e::testbed::Audit;
use futures::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use serde_json::Value;

use super::rollout::Load;
use super::stage::{Contender, Stage};
use crate::load::{OBJECT, SOURCE};

/// What the floor is.
pub(crate) struct Floor {
    pub(crate) install: Duration,
    pub(crate) upgrade: Duration,
    /// Which requests there were.
    pub(crate) census: String,
}

/// Records a roll-out and replays it.
pub(crate) async fn measure(load: Load) -> Result<Floor> {
    let recording = record(load).await?;
    let stage = Stage::set(&load.releases()?.each_ref(), Audit::Nothing).await?;
    stage.create_sources(&load.sources()).await?;
    stage.offer(&load.sources(), &load.releases()?[0]).await?;
    let renamed = Renamed {
        namespace: (recording.namespace.clone(), stage.namespace.name().to_owned()),
        uids: uids(&stage)
            .await?
            .into_iter()
            .filter_map(|(name, new)| Some((recording.uids.get(&name)?.clone(), new)))
            .collect(),
    };
    let client = stage.namespace.client();
    let _watches: Vec<_> = recording
        .watches
        .iter()
        .map(|uri| {
            tokio_util::task::AbortOnDropHandle::new(tokio::spawn(follow(client.clone(), renamed.text(uri))))
        })
        .collect();
    let prepared = |requests: &[Recorded]| requests.iter().map(|request| renamed.request(request)).collect();
    replay(client, prepared(&recording.before), load.concurrent).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let install = replay(client, prepared(&recording.install), load.concurrent).await?;
    let upgrade = replay(client, prepared(&recording.upgrade), load.concurrent).await?;
    Ok(Floor {
        install,
        upgrade,
        census: format!(
            "Requests of the floor, per {}: install {}; upgrade {}.",
            OBJECT.kind,
            census(&recording.install, load.count),
            census(&recording.upgrade, load.count)
        ),
    })
}

struct Recording {
    namespace: String,
    /// Source UIDs by name.
    uids: HashMap<String, String>,
    /// Artifacts that were written before the roll-out.
    before: Vec<Recorded>,
    install: Vec<Recorded>,
    upgrade: Vec<Recorded>,
    watches: Vec<String>,
}

/// A request as the audit log has it.
#[derive(Clone, Debug)]
struct Recorded {
    at: Timestamp,
    verb: String,
    resource: String,
    uri: String,
    impersonated: Option<String>,
    body: Option<Value>,
    succeeded: bool,
}

async fn record(load: Load) -> Result<Recording> {
    let stage = Stage::set(&load.releases()?.each_ref(), Audit::Requests).await?;
    let rollout = load.roll_out(&stage, Contender::Ours).await?;
    let uids = uids(&stage).await?;
    let log = std::fs::read_to_string(stage.testbed.audit_log()).context("the audit log")?;
    let (mut requests, mut watches) = (Vec::new(), Vec::new());
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).context("a line of the audit log")?;
        // The control plane's own requests happen in the replay by themselves.
        if text(&event, "/userAgent").starts_with("kube-") {
            continue;
        }
        let request = Recorded::of(&event)?;
        match (request.verb.as_str(), text(&event, "/stage")) {
            ("watch", "ResponseStarted") if request.at < rollout.upgrade.to => {
                watches.push(without(&request.uri, "resourceVersion"));
            }
            ("watch", _) => {}
            (_, "ResponseComplete") => requests.push(request),
            _ => {}
        }
    }
    requests.sort_by_key(|request| request.at);
    let between = |from: Timestamp, to: Timestamp| {
        let during = requests
            .iter()
            .filter(|request| from <= request.at && request.at < to);
        during.cloned().collect::<Vec<_>>()
    };
    let mut before = between(Timestamp::MIN, rollout.install.from);
    before.retain(|request| request.resource.starts_with("artifacts"));
    let recording = Recording {
        namespace: stage.namespace.name().to_owned(),
        uids,
        before,
        install: between(rollout.install.from, rollout.install.to),
        upgrade: between(rollout.upgrade.from, rollout.upgrade.to),
        watches,
    };
    ensure!(
        recording.install.len() > load.count * 4,
        "the audit log has only {} requests of the installation",
        recording.install.len()
    );
    Ok(recording)
}

async fn uids(stage: &Stage) -> Result<HashMap<String, String>> {
    let sources = stage.namespace.list(SOURCE).await?;
    Ok(sources
        .into_iter()
        .map(|source| (source.name_any(), source.uid().unwrap_or_default()))
        .collect())
}

impl Recorded {
    fn of(event: &Value) -> Result<Self> {
        let subresource = text(event, "/objectRef/subresource");
        let mut resource = text(event, "/objectRef/resource").to_owned();
        if !subresource.is_empty() {
            resource = format!("{resource}/{subresource}");
        }
        if text(event, "/requestURI").contains("dryRun=All") {
            resource += " (dry-run)";
        }
        Ok(Self {
            at: text(event, "/requestReceivedTimestamp")
                .parse()
                .context("the time of an audit event")?,
            verb: text(event, "/verb").to_owned(),
            resource,
            // Clients may escape what needs no escape; names are looked for below.
            uri: text(event, "/requestURI").replace("%2D", "-"),
            impersonated: event
                .pointer("/impersonatedUser/username")
                .and_then(Value::as_str)
                .map(str::to_owned),
            body: event.get("requestObject").cloned(),
            succeeded: event
                .pointer("/responseStatus/code")
                .and_then(Value::as_u64)
                .is_some_and(|code| code < 400),
        })
    }

    /// What it is about, in whose order it is sent: the first name of an object that this program gives, in the
    /// URL or else in the body; the object that it patches where there is none.
    fn subject(&self) -> Option<String> {
        let name = |text: &str| {
            let at = text.find("app-")?;
            text.get(at..at + "app-0000".len()).map(str::to_owned)
        };
        let object = || {
            let path = self.uri.split('?').next()?.trim_end_matches("/status");
            (self.verb == "patch").then(|| path.to_owned())
        };
        name(&self.uri)
            .or_else(|| name(&self.body.as_ref()?.to_string()))
            .or_else(object)
    }

    fn content_type(&self) -> &'static str {
        match &self.body {
            _ if self.verb != "patch" => "application/json",
            Some(Value::Array(_)) => "application/json-patch+json",
            Some(body) if body.get("apiVersion").is_some() => "application/apply-patch+yaml",
            _ => "application/merge-patch+json",
        }
    }
}

/// The names of the recording in the world of the replay.
struct Renamed {
    namespace: (String, String),
    uids: HashMap<String, String>,
}

/// A request to send.
struct Sendable {
    subject: Option<String>,
    request: Request<Vec<u8>>,
    /// Whether it succeeded when it was recorded.
    succeeded: bool,
}

impl Renamed {
    fn text(&self, text: &str) -> String {
        text.replace(&self.namespace.0, &self.namespace.1)
    }

    fn request(&self, recorded: &Recorded) -> Result<Sendable> {
        let method = match recorded.verb.as_str() {
            "create" => "POST",
            "update" => "PUT",
            "patch" => "PATCH",
            "delete" => "DELETE",
            _ => "GET",
        };
        let mut request = Request::builder()
            .method(method)
            .uri(self.text(&recorded.uri))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, recorded.content_type());
        if let Some(user) = &recorded.impersonated {
            request = request.header("Impersonate-User", self.text(user));
        }
        let mut body = recorded.body.clone();
        if let Some(metadata) = body
            .as_mut()
            .and_then(|body| body.get_mut("metadata")?.as_object_mut())
        {
            // A precondition that only the recorded cluster meets.
            metadata.remove("resourceVersion");
            let owners = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut);
            for uid in owners
                .into_iter()
                .flatten()
                .filter_map(|owner| owner.get_mut("uid"))
            {
                if let Some(new) = uid.as_str().and_then(|uid| self.uids.get(uid)) {
                    *uid = Value::String(new.clone());
                }
            }
        }
        let body = body.map_or_else(Vec::new, |body| self.text(&body.to_string()).into_bytes());
        Ok(Sendable {
            subject: recorded.subject(),
            request: request.body(body)?,
            succeeded: recorded.succeeded,
        })
    }
}

/// Sends everything, and tells how long that took.
async fn replay(client: &Client, requests: Result<Vec<Sendable>>, concurrent: usize) -> Result<Duration> {
    let requests = requests?;
    let total = requests.len();
    let mut order = Vec::new();
    let mut lanes: HashMap<String, Vec<Sendable>> = HashMap::new();
    for (at, request) in requests.into_iter().enumerate() {
        let lane = request.subject.clone().unwrap_or_else(|| format!("#{at}"));
        let requests = lanes.entry(lane.clone()).or_default();
        if requests.is_empty() {
            order.push(lane);
        }
        requests.push(request);
    }
    let lanes = order.into_iter().filter_map(|lane| lanes.remove(&lane));
    let start = Instant::now();
    let failures: Vec<Vec<String>> = stream::iter(lanes)
        .map(|lane| async move {
            let mut failures = Vec::new();
            for Sendable {
                request, succeeded, ..
            } in lane
            {
                let uri = request.uri().clone();
                if let Err(error) = client.request_text(request).await
                    && succeeded
                {
                    failures.push(format!("{uri}: {error}"));
                }
            }
            failures
        })
        .buffer_unordered(concurrent)
        .collect()
        .await;
    let took = start.elapsed();
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    ensure!(
        failures.len() * 100 <= total,
        "{} of {total} replayed requests failed, such as {:?}",
        failures.len(),
        failures.first()
    );
    Ok(took)
}

/// Holds a watch open and drops what it brings.
async fn follow(client: Client, uri: String) {
    let Ok(request) = Request::get(uri)
        .header(header::ACCEPT, "application/json")
        .body(kube::client::Body::empty())
    else {
        return;
    };
    if let Ok(answer) = client.send(request).await {
        let mut body = answer.into_body();
        while let Some(Ok(_)) = body.frame().await {}
    }
}

fn without(uri: &str, parameter: &str) -> String {
    let Some((path, query)) = uri.split_once('?') else {
        return uri.to_owned();
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| pair.split('=').next() != Some(parameter))
        .collect();
    format!("{path}?{}", kept.join("&"))
}

/// Counts the requests by verb and resource, per object, and those that are not the load's own.
fn census(requests: &[Recorded], count: usize) -> String {
    let source_status = format!("{}/status", SOURCE.plural);
    let is_load = |request: &&Recorded| {
        (request.verb == "create" && request.resource == OBJECT.plural) || request.resource == source_status
    };
    let of_load = requests.iter().filter(is_load).count();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        *kinds
            .entry(format!("{} {}", request.verb, request.resource))
            .or_default() += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    let share = |number: usize| number as f64 / count as f64;
    let kinds: Vec<String> = kinds
        .iter()
        .filter(|(_, number)| share(*number) >= 0.05)
        .map(|(kind, number)| format!("{kind} {:.1}", share(*number)))
        .collect();
    format!(
        "{:.1}, {:.1} of them the controller's ({})",
        share(requests.len()),
        share(requests.len() - of_load),
        kinds.join(", ")
    )
}

fn text<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

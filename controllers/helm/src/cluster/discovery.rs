//! What a cluster can do, for `.Capabilities`.
//!
//! Helm reads discovery anew for each action, since a chart may ask for kinds that were defined a moment ago. So does
//! this, but the API server answers that nothing has changed, which costs next to nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use controller_kit::Rest;
use helm::{Capabilities, KubeVersion};
use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::Value;

/// The version that helm-controller claims Helm to be: its build does not say more.
const HELM_VERSION: &str = "v4.2";

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The most bytes of an answer, which is some MiB in a cluster with thousands of kinds.
const MAX_BYTES: usize = 64 << 20;

/// Both documents, in the form that lists all groups at once.
const FORM: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Discovery that failed, in Helm's words.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The API server does not tell its version.
    #[error("kubernetes cluster unreachable: {0}")]
    Unreachable(String),
    /// The API server does not tell what it serves.
    #[error("could not get apiVersions from Kubernetes: {0}")]
    Versions(String),
}

/// What a cluster serves, read anew each time; clones share what was read before.
#[derive(Clone)]
pub struct Discovery {
    rest: Rest,
    known: Documents,
}

/// Both documents, as they were read last.
pub(crate) type Documents = Arc<Mutex<[Option<Known>; 2]>>;

/// What clusters served when that was read last, by their ids.
#[derive(Default)]
pub(crate) struct KnownDiscovery(Mutex<HashMap<String, Documents>>);

/// Of how many clusters it is kept.
const MAX_KNOWN: usize = 32;

impl KnownDiscovery {
    /// Gives what is known of a cluster.
    pub(crate) fn of(&self, cluster: &str) -> Documents {
        let mut all = self.0.lock();
        if all.len() >= MAX_KNOWN && !all.contains_key(cluster) {
            // It costs the next action in each of them one request that is answered in full.
            all.clear();
        }
        Arc::clone(all.entry(cluster.to_owned()).or_default())
    }
}

#[derive(Clone)]
pub(crate) struct Known {
    tag: String,
    versions: Arc<BTreeSet<String>>,
}

impl Discovery {
    /// The discovery of the cluster that `rest` asks.
    pub fn new(rest: Rest) -> Self {
        let known = Documents::default();
        Self { rest, known }
    }

    /// The same, where something was read before.
    pub(crate) fn known(rest: Rest, known: Documents) -> Self {
        Self { rest, known }
    }

    /// Looks whether the API server answers, and which version it is of.
    pub(crate) async fn reachable(&self) -> Result<KubeVersion, DiscoveryError> {
        self.probe().await?;
        let version = tokio::time::timeout(TIMEOUT, self.rest.client().apiserver_version()).await;
        let version = version
            .map_err(|_| DiscoveryError::Unreachable(no_answer()))?
            .map_err(|error| DiscoveryError::Unreachable(error.to_string()))?;
        Ok(KubeVersion {
            version: version.git_version,
            normalized: String::new(),
            major: version.major,
            minor: version.minor,
        })
    }

    /// Reads what the cluster, which is of this version, can do; its versions and kinds are in the order of texts.
    pub(crate) async fn capabilities(
        &self,
        kube_version: KubeVersion,
    ) -> Result<Capabilities, DiscoveryError> {
        Ok(Capabilities {
            kube_version,
            api_versions: self.served().await?,
            helm_version: HELM_VERSION.to_owned(),
        })
    }

    /// Reads the versions of all groups and the kinds in them, in the order of texts.
    pub(crate) async fn served(&self) -> Result<Vec<String>, DiscoveryError> {
        self.probe().await?;
        let reading = async { tokio::try_join!(self.versions(0, "/api"), self.versions(1, "/apis")) };
        let (core, groups) = tokio::time::timeout(TIMEOUT, reading)
            .await
            .map_err(|_| DiscoveryError::Versions(no_answer()))?
            .map_err(DiscoveryError::Versions)?;
        Ok(core.union(&groups).cloned().collect())
    }

    /// What is known to be out of reach is not waited for.
    async fn probe(&self) -> Result<(), DiscoveryError> {
        let reachable = self.rest.probe().await;
        reachable.map_err(|error| DiscoveryError::Unreachable(error.to_string()))
    }

    /// Reads one document, unless it is as it was.
    async fn versions(&self, at: usize, path: &str) -> Result<Arc<BTreeSet<String>>, String> {
        let known = self.known.lock().get(at).cloned().flatten();
        let mut request = Request::get(path).header(ACCEPT, FORM);
        if let Some(known) = &known {
            request = request.header(IF_NONE_MATCH, &known.tag);
        }
        let request = request.body(Body::empty()).map_err(|error| error.to_string())?;
        let answer = self
            .rest
            .client()
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        if let Some(known) = known.filter(|_| status == StatusCode::NOT_MODIFIED) {
            return Ok(known.versions);
        }
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.map(str::to_owned);
        let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        if !status.is_success() {
            return Err(format!("{path}: the API server answers {status}"));
        }
        let document: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let versions = Arc::new(versions_of(&document));
        if let (Some(tag), Some(known)) = (tag, self.known.lock().get_mut(at)) {
            *known = Some(Known {
                tag,
                versions: Arc::clone(&versions),
            });
        }
        Ok(versions)
    }
}

fn no_answer() -> String {
    format!("no answer within {}s", TIMEOUT.as_secs())
}

/// The versions of all groups, and the kinds in them, those of subresources included.
fn versions_of(document: &Value) -> BTreeSet<String> {
    let list = |value: &Value, field: &str| -> Vec<Value> {
        let items = value.get(field).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    };
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let mut versions = BTreeSet::new();
    for group in list(document, "items") {
        let name = text(&group, "/metadata/name").unwrap_or_default();
        for version in list(&group, "versions") {
            let number = text(&version, "/version").unwrap_or_default();
            let version_of_group = if name.is_empty() {
                number
            } else {
                format!("{name}/{number}")
            };
            versions.insert(version_of_group.clone());
            if text(&version, "/freshness").as_deref() == Some("Stale") {
                continue;
            }
            for resource in list(&version, "resources") {
                let of_resource = [resource.clone()].into_iter();
                for kind in of_resource.chain(list(&resource, "subresources")) {
                    let kind = text(&kind, "/responseKind/kind").filter(|kind| !kind.is_empty());
                    versions.extend(kind.map(|kind| format!("{version_of_group}/{kind}")));
                }
            }
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn who_is_not_there_is_unreachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let config = kube::Config::new(format!("http://{address}").parse().expect("a URL"));
        let client = kube::Client::try_from(config).expect("a client");
        let error = Discovery::new(Rest::new(client)).reachable().await.err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(text.starts_with("kubernetes cluster unreachable: "), "{text}");
    }

    #[test]
    fn versions_and_kinds_are_told() {
        let kind = |name: &str| json!({"kind": name});
        let document = json!({"items": [
            {"metadata": {}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                {"resource": "pods", "responseKind": kind("Pod"), "subresources": [
                    {"subresource": "eviction", "responseKind": kind("Eviction")},
                    {"subresource": "log"}]}]}]},
            {"metadata": {"name": "apps"}, "versions": [
                {"version": "v1", "resources": [{"resource": "deployments", "responseKind": kind("Deployment")}]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [
                {"version": "v1", "freshness": "Stale", "resources": [{"responseKind": kind("NodeMetrics")}]}]},
        ]});
        let versions: Vec<String> = versions_of(&document).into_iter().collect();
        assert_eq!(
            versions,
            [
                "apps/v1",
                "apps/v1/Deployment",
                "metrics.k8s.io/v1",
                "v1",
                "v1/Eviction",
                "v1/Pod"
            ]
        );
        assert!(versions_of(&json!({})).is_empty());
    }
}

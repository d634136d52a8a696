//! Requests for untyped objects, on one shared connection pool, as one identity.

use std::time::Duration;

use http::{HeaderValue, Method, Request};
use kube::Client;
use kube::core::Status;
use serde_json::Value;

use crate::mapper::Mapping;
use crate::redact;

/// A Kubernetes client for untyped objects that acts as one identity; clones are cheap.
///
/// Impersonation is a header on each request, so that all identities share the connections of one client.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    impersonate: Option<HeaderValue>,
}

/// A request that the API server refused or that never got an answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The API server answered with a failure status.
    #[error("{}", .0.message)]
    Api(Box<Status>),
    /// No usable answer: connection, TLS, time-out or malformed body.
    #[error("{0}")]
    Transport(#[source] Box<kube::Error>),
    /// The API server took the request and said nothing.
    #[error("no answer from the API server within {}s", REQUEST_TIMEOUT.as_secs())]
    NoAnswer,
    /// The request could not be built, because a name is not valid in a URL or a header.
    #[error("invalid request: {0}")]
    Request(String),
}

impl RestError {
    /// Tells whether the object, its kind or its namespace does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Tells whether there is nothing at the address of the kind itself.
    pub fn is_not_served(&self) -> bool {
        let text = self.to_string();
        let says = |part: &str| text.contains(part);
        self.is_not_found()
            && (says("the server could not find the requested resource") || says("404 page not found"))
    }

    /// Tells whether the identity lacks a permission.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Tells whether the request would change a field that never changes, as upstream recognises it by the text.
    pub fn is_immutable(&self) -> bool {
        let text = self.to_string();
        ["is immutable", "immutable field", "cannot change roleRef"]
            .iter()
            .any(|part| text.contains(part))
    }

    /// Leaves out of the text what the API server repeats of the object's values: they may be secret.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        if let Self::Api(status) = &mut self {
            status.message = redact::values(&status.message);
        }
        self
    }

    /// Gives the HTTP status code of an answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(status) => Some(status.code),
            Self::Transport(_) | Self::NoAnswer | Self::Request(_) => None,
        }
    }

    /// Gives the reason of a failure status, such as `Invalid`.
    pub fn reason(&self) -> &str {
        match self {
            Self::Api(status) => &status.reason,
            Self::Transport(_) | Self::NoAnswer | Self::Request(_) => "",
        }
    }
}

/// Longest wait for an answer: API servers themselves give up after a minute.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(75);

impl From<kube::Error> for RestError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Api(status),
            other => Self::Transport(Box::new(other)),
        }
    }
}

impl Rest {
    /// Acts as the controller itself.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            impersonate: None,
        }
    }

    /// Acts as the service account `name` of `namespace`.
    ///
    /// # Errors
    /// A name that cannot stand in a header.
    pub fn impersonating(&self, namespace: &str, name: &str) -> Result<Self, RestError> {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let user = HeaderValue::from_str(&user)
            .map_err(|_| RestError::Request(format!("{user:?} is not a valid user name")))?;
        Ok(Self {
            client: self.client.clone(),
            impersonate: Some(user),
        })
    }

    /// Tells whether requests are made as somebody else.
    pub fn is_impersonating(&self) -> bool {
        self.impersonate.is_some()
    }

    /// Gives the client below, which acts as the controller itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads an object; `None` when it does not exist.
    ///
    /// # Errors
    /// Any failure but `NotFound`.
    pub async fn get(
        &self,
        mapping: &Mapping,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, RestError> {
        match self
            .send(Method::GET, &mapping.path(namespace, name), "", None)
            .await
        {
            Err(error) if error.is_not_found() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Applies `object` on the server side, forcing conflicts, as `manager`.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn apply(
        &self,
        at: &ObjectPath<'_>,
        manager: &str,
        dry_run: bool,
        object: &Value,
    ) -> Result<Value, RestError> {
        let dry = if dry_run { "&dryRun=All" } else { "" };
        let query = format!("?fieldManager={manager}&force=true{dry}");
        let body = encode(object)?;
        self.send(
            Method::PATCH,
            &(at.path() + &query),
            "application/apply-patch+yaml",
            Some(body),
        )
        .await
    }

    /// Sends a JSON patch (RFC 6902) as `manager`.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn json_patch(
        &self,
        at: &ObjectPath<'_>,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, RestError> {
        let query = format!("?fieldManager={manager}");
        self.send(
            Method::PATCH,
            &(at.path() + &query),
            "application/json-patch+json",
            Some(encode(patch)?),
        )
        .await
    }

    /// Sends a JSON merge patch as `manager`, to a subresource such as `status` where one is named.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn merge_patch(
        &self,
        at: &ObjectPath<'_>,
        subresource: Option<&str>,
        manager: &str,
        patch: &Value,
    ) -> Result<Value, RestError> {
        let mut path = at.path();
        if let Some(subresource) = subresource {
            path = path + "/" + subresource;
        }
        path = path + "?fieldManager=" + manager;
        self.send(
            Method::PATCH,
            &path,
            "application/merge-patch+json",
            Some(encode(patch)?),
        )
        .await
    }

    /// Creates an object in the collection of `mapping`.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn create(
        &self,
        mapping: &Mapping,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, RestError> {
        self.send(
            Method::POST,
            &mapping.collection(namespace),
            "application/json",
            Some(encode(object)?),
        )
        .await
    }

    /// Replaces an object; its `metadata.resourceVersion` is the precondition.
    ///
    /// # Errors
    /// What the API server answers; 409 when somebody else wrote first.
    pub async fn replace(&self, at: &ObjectPath<'_>, object: &Value) -> Result<Value, RestError> {
        self.send(Method::PUT, &at.path(), "application/json", Some(encode(object)?))
            .await
    }

    /// Deletes an object with background propagation; `false` when it did not exist.
    ///
    /// `uid` is that of the object that was looked at: another one of the same name is not deleted.
    ///
    /// # Errors
    /// Any failure but `NotFound`.
    pub async fn delete(&self, at: &ObjectPath<'_>, uid: &str) -> Result<bool, RestError> {
        let mut options = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
        });
        if !uid.is_empty() {
            options["preconditions"] = serde_json::json!({"uid": uid});
        }
        let body = encode(&options)?;
        match self
            .send(Method::DELETE, &at.path(), "application/json", Some(body))
            .await
        {
            Err(error) if error.is_not_found() => Ok(false),
            other => other.map(|_| true),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, RestError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, content);
        }
        if let Some(user) = &self.impersonate {
            request = request.header("Impersonate-User", user);
        }
        let request = request
            .body(body.unwrap_or_default())
            .map_err(|error| RestError::Request(error.to_string()))?;
        let answer = self.client.request::<Value>(request);
        match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(RestError::NoAnswer),
        }
    }
}

/// Where an object lies: its kind's endpoint, its namespace and its name.
#[derive(Clone, Copy, Debug)]
pub struct ObjectPath<'a> {
    /// Endpoint and scope of the kind.
    pub mapping: &'a Mapping,
    /// Namespace; ignored for cluster-scoped kinds.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

impl ObjectPath<'_> {
    fn path(&self) -> String {
        self.mapping.path(self.namespace, self.name)
    }
}

fn encode(value: &Value) -> Result<Vec<u8>, RestError> {
    serde_json::to_vec(value).map_err(|error| RestError::Request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_holds_nobody_for_ever() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut config = kube::Config::new(format!("http://{address}").parse().expect("a URL"));
        config.connect_timeout = None;
        let rest = Rest::new(Client::try_from(config).expect("a client"));
        let mapping = Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            plural: "configmaps".to_owned(),
            namespaced: true,
        };
        let answer = rest.get(&mapping, "apps", "web").await;
        assert!(matches!(answer, Err(RestError::NoAnswer)), "{answer:?}");
    }
}

//! Requests for untyped objects, on one shared connection pool, as one identity.

mod error;
mod request;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request};
use kube::Client;
use serde_json::Value;

pub use self::error::RestError;
use self::error::in_full;
pub use self::request::{Ask, ObjectPath, Seen};
use self::request::{JSON, encode};
use crate::backoff::Backoff;
use crate::mapping::Mapping;
use crate::reach::Reach;

/// A Kubernetes client for untyped objects that acts as one identity; clones are cheap.
///
/// Impersonation is a header on each request, so that all identities share the connections of one client.
#[derive(Clone)]
pub struct Rest {
    client: Client,
    impersonate: Option<HeaderValue>,
    /// Longest wait for an answer.
    timeout: Duration,
    /// Whether the API server answers, where it may be out of reach.
    reach: Option<Arc<Reach>>,
}

/// Longest wait for an answer: API servers themselves give up after a minute.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(75);

/// What every API server answers, to nobody in particular.
const PING: &str = "/livez/ping";

/// How often a request is made again that the API server has no room for at the moment. What takes longer is told, and
/// not waited for: the run as a whole is retried.
const RETRIES: usize = 4;

const PAUSES: Backoff = Backoff {
    min: Duration::from_millis(100),
    max: Duration::from_millis(800),
};

impl Rest {
    /// Acts as the controller itself.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            impersonate: None,
            timeout: REQUEST_TIMEOUT,
            reach: None,
        }
    }

    /// Acts on a cluster that may be out of reach, whose answers are waited for not longer than `timeout`.
    pub(crate) fn to_remote(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            impersonate: None,
            timeout,
            reach: Some(Arc::default()),
        }
    }

    /// Finds out whether the API server answers at all, whatever it says; one that may not be out of reach is not asked.
    ///
    /// What was found out a moment ago is not asked again, and those who ask at once ask once. An answer in the negative
    /// ends all requests that are made in the moments after it.
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), RestError> {
        let Some(reach) = &self.reach else {
            return Ok(());
        };
        let asking = async {
            let request = self.request(&Method::GET, PING, "*/*", "", None);
            let request = request.map_err(|error| error.to_string())?;
            match tokio::time::timeout(self.timeout, self.client.request_text(request)).await {
                Ok(Ok(_) | Err(kube::Error::Api(_))) => Ok(()),
                Ok(Err(error)) => Err(in_full(&error)),
                Err(_) => Err(RestError::NoAnswer(self.timeout).to_string()),
            }
        };
        reach.find_out(asking).await.map_err(RestError::Unreachable)
    }

    /// Tells whether [`Rest::probe`] would have to ask.
    pub fn has_to_probe(&self) -> bool {
        self.reach.as_ref().is_some_and(|reach| reach.has_to_find_out())
    }

    /// Awaits an answer as long as answers are waited for.
    ///
    /// # Errors
    /// There is none, or the API server is known to be out of reach.
    pub(crate) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, RestError> {
        if let Some(why) = self.reach.as_ref().and_then(|reach| reach.silence()) {
            return Err(RestError::Unreachable(why));
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(RestError::NoAnswer(self.timeout)),
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
            impersonate: Some(user),
            ..self.clone()
        })
    }

    /// Tells whether requests are made as somebody else.
    pub fn is_impersonating(&self) -> bool {
        self.impersonate.is_some()
    }

    /// Names whoever the requests are made as; empty for the controller itself.
    pub fn identity(&self) -> &str {
        self.impersonate
            .as_ref()
            .and_then(|user| user.to_str().ok())
            .unwrap_or_default()
    }

    /// Gives the client below, which acts as the controller itself.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads an object; `None` when it does not exist.
    ///
    /// # Errors
    /// Any failure but `NotFound`; a kind that is not served is one, because it says nothing about the object.
    pub async fn get(
        &self,
        mapping: &Mapping,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, RestError> {
        match self.get_existing(mapping, namespace, name).await {
            Err(error) if error.is_not_found() && !error.is_not_served() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Reads an object that is expected to exist.
    ///
    /// # Errors
    /// What the API server answers, also when it does not exist.
    pub async fn get_existing(
        &self,
        mapping: &Mapping,
        namespace: &str,
        name: &str,
    ) -> Result<Value, RestError> {
        self.send(Method::GET, &mapping.path(namespace, name), "", None)
            .await
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

    /// Has the API server check, without creating it, an object that `manager` would create.
    ///
    /// # Errors
    /// What the API server answers; [`RestError::is_already_there`] when the name is all that stands in the way.
    pub async fn try_create(
        &self,
        mapping: &Mapping,
        namespace: &str,
        manager: &str,
        object: &Value,
    ) -> Result<(), RestError> {
        let path = mapping.collection(namespace) + "?dryRun=All&fieldManager=" + manager;
        let body = encode(object)?;
        self.send(Method::POST, &path, "application/json", Some(body))
            .await
            .map(|_| ())
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
    /// Nothing is deleted but what was looked at, in the very version that was looked at.
    ///
    /// # Errors
    /// Any failure but `NotFound`; [`RestError::is_conflict`] when somebody wrote since, and it has to be decided anew.
    pub async fn delete(&self, at: &ObjectPath<'_>, seen: Seen<'_>) -> Result<bool, RestError> {
        let options = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            "preconditions": {"uid": seen.uid, "resourceVersion": seen.resource_version},
        });
        let body = encode(&options)?;
        match self
            .send(Method::DELETE, &at.path(), "application/json", Some(body))
            .await
        {
            Err(error) if error.is_not_found() && !error.is_not_served() => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Makes a request that no other method here makes.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn ask(&self, ask: &Ask<'_>) -> Result<Value, RestError> {
        let body = ask
            .body
            .map(|(content, body)| Ok::<_, RestError>((content, encode(body)?)));
        let (content, body) = body.transpose()?.unzip();
        let request = self.request(
            &ask.method,
            ask.path,
            ask.accept,
            content.unwrap_or_default(),
            body,
        )?;
        self.answer(request).await
    }

    /// Reads a text, such as the log of a container.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn text(&self, path: &str) -> Result<String, RestError> {
        let request = self.request(&Method::GET, path, "*/*", "", None)?;
        self.within(self.client.request_text(request)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Value, RestError> {
        let request = self.request(&method, path, JSON, content, body)?;
        self.answer(request).await
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        accept: &str,
        content: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Vec<u8>>, RestError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept);
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, content);
        }
        if let Some(user) = &self.impersonate {
            request = request.header("Impersonate-User", user);
        }
        request
            .body(body.unwrap_or_default())
            .map_err(|error| RestError::Request(error.to_string()))
    }

    async fn answer(&self, request: Request<Vec<u8>>) -> Result<Value, RestError> {
        let asking = async {
            let mut attempts = PAUSES.attempts();
            for _ in 0..RETRIES {
                match self.exchange(request.clone()).await {
                    Err(kube::Error::Api(status)) if matches!(status.code, 429 | 503) => {
                        tokio::time::sleep(attempts.failed()).await;
                    }
                    answer => return answer,
                }
            }
            self.exchange(request).await
        };
        // Boxed, as it is part of every future that asks anything.
        self.within(Box::pin(asking)).await
    }

    /// Sends a request, and reads the answer here: the client would log one that is no JSON as a whole, with the secrets in it.
    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Value, kube::Error> {
        let text = self.client.request_text(request).await?;
        serde_json::from_str(&text).map_err(kube::Error::SerdeError)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn config_maps() -> Mapping {
        Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            plural: "configmaps".to_owned(),
            namespaced: true,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_holds_nobody_for_ever() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut config = kube::Config::new(format!("http://{address}").parse().expect("a URL"));
        config.connect_timeout = None;
        let rest = Rest::new(Client::try_from(config).expect("a client"));
        let answer = rest.get(&config_maps(), "apps", "web").await;
        assert!(
            matches!(answer, Err(RestError::NoAnswer(REQUEST_TIMEOUT))),
            "{answer:?}"
        );
    }

    /// Answers every request with a status; counts them.
    async fn refusing(status: &'static str) -> (Rest, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok() {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nretry-after: 30\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).await.expect("a reader");
                }
            }
        });
        let mut config = kube::Config::new(format!("http://{address}").parse().expect("a URL"));
        config.default_retry = false;
        (Rest::new(Client::try_from(config).expect("a client")), count)
    }

    #[tokio::test]
    async fn a_server_without_room_is_asked_again_for_a_moment_only() {
        for (status, asked) in [
            ("503 Service Unavailable", RETRIES + 1),
            ("429 Too Many Requests", RETRIES + 1),
            ("500 Internal Server Error", 1),
            ("504 Gateway Timeout", 1),
        ] {
            let (rest, count) = refusing(status).await;
            let begun = std::time::Instant::now();
            let mapping = config_maps();
            let answer = rest.get(&mapping, "apps", "web").await;
            assert!(answer.is_err_and(|error| error.is_of_system()), "{status}");
            assert_eq!(count.load(Ordering::SeqCst), asked, "{status}");
            assert!(begun.elapsed() < Duration::from_secs(20), "{status}");
        }
    }
}

//! A world for tests that answers as it was told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use zeroize::Zeroizing;

use crate::identities::Asked;
use crate::{
    Cluster, ClusterSettings, Identities, Identity, Network, NetworkError, Reply, Request, Sent,
    Surroundings, Tokens, Way, WayError, jwt,
};

/// What a test says about the world.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: BTreeMap<String, (u16, String)>,
    accounts: BTreeMap<String, BTreeMap<String, String>>,
    variables: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    sent: Arc<Mutex<Vec<Request>>>,
    asked: Arc<Mutex<Vec<String>>>,
    are_tokens_real: bool,
}

impl Script {
    pub(crate) fn answer(mut self, url: &str, status: u16, body: &str) -> Self {
        self.answers.insert(url.to_owned(), (status, body.to_owned()));
        self
    }

    pub(crate) fn account(mut self, path: &str, annotations: &[(&str, &str)]) -> Self {
        let annotations = annotations
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.accounts.insert(path.to_owned(), annotations.collect());
        self
    }

    pub(crate) fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn with_file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Tokens of the cluster have claims.
    pub(crate) fn with_claims(mut self) -> Self {
        self.are_tokens_real = true;
        self
    }

    /// What was sent so far.
    pub(crate) fn sent(&self) -> Vec<Request> {
        self.sent.lock().clone()
    }

    /// The bodies of what was sent so far, where there are any.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let sent = self.sent();
        let bodies = sent.iter().filter(|request| !request.body.is_empty());
        bodies
            .map(|request| String::from_utf8_lossy(&request.body).into_owned())
            .collect()
    }

    /// The tokens of the cluster that were asked for: account and audiences.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    pub(crate) fn identities(&self) -> Identities {
        Identities {
            network: Arc::new(self.clone()),
            around: Arc::new(self.clone()),
            cluster: Arc::new(self.clone()),
            tokens: Arc::new(Tokens::new(100, Duration::from_hours(1))),
            involved: None,
        }
    }

    /// Finds the way with nothing kept.
    pub(crate) fn way(&self, settings: &ClusterSettings, who: &Identity) -> Result<Way, WayError> {
        now(self.identities().way(settings, who))
    }
}

impl Network for Script {
    fn send(&self, request: Request) -> Sent<'_> {
        let url = request.url.to_string();
        self.sent.lock().push(request);
        let answer = self.answers.get(&url).cloned();
        Box::pin(async move {
            let (status, body) = answer.ok_or_else(|| NetworkError {
                text: format!("nobody answers at {url}"),
                is_final: true,
            })?;
            Ok(Reply {
                status,
                headers: Vec::new(),
                body: body.into_bytes(),
            })
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

impl Surroundings for Script {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<Option<String>, String> {
        Ok(self.files.get(path).cloned())
    }
}

impl Cluster for Script {
    fn annotations<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
    ) -> Asked<'c, Option<BTreeMap<String, String>>> {
        let found = self.accounts.get(&format!("{namespace}/{name}")).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn token<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
        audiences: &'c [String],
    ) -> Asked<'c, Zeroizing<String>> {
        let asked = format!("{namespace}/{name}?{}", audiences.join(","));
        self.asked.lock().push(asked.clone());
        let token = if self.are_tokens_real {
            jwt::unsigned(&json!({"exp": 3600, "sub": asked}))
        } else {
            asked
        };
        Box::pin(async move { Ok(Zeroizing::new(token)) })
    }
}

/// What a ConfigMap says.
pub(crate) fn settings(fields: &[(&str, &str)]) -> ClusterSettings {
    let data = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ClusterSettings::read(&data.collect()).unwrap()
}

/// Whoever is in the namespace of the tests.
pub(crate) fn somebody() -> Identity {
    Identity {
        namespace: "apps".to_owned(),
        is_enabled: true,
        ..Identity::default()
    }
}

/// A certificate, as far as anybody here looks.
pub(crate) const CA: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";

/// The result of a future that does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

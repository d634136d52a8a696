//! Builds and other machines: whether one needs them, and how it reaches them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use controller_kit::http::{Client, HttpError};
use kustomize::{CloneOf, Remote, RemoteError, RepoSpec};
use kustomize_remote::{Answer, Get, Network, NetworkError, Policy};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// What kustomizations may fetch from other machines.
#[derive(Clone, Debug)]
pub struct RemoteBases {
    /// The bounds.
    pub policy: Policy,
    /// The client, whose guard says which hosts may be asked.
    pub client: Arc<Client>,
}

/// Fetches nothing and remembers that it was asked to.
#[derive(Debug, Default)]
pub(crate) struct Probe(AtomicBool);

impl Probe {
    /// Tells whether a build wanted something from another machine.
    pub(crate) fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn ask<T>(&self) -> Result<T, RemoteError> {
        self.0.store(true, Ordering::Relaxed);
        Err(RemoteError::Failed("fetched by a second build".to_owned()))
    }
}

impl Remote for Probe {
    fn get(&self, _url: &str, _limit: u64) -> Result<Vec<u8>, RemoteError> {
        self.ask()
    }

    fn clone_repo(&self, _repo: &RepoSpec) -> Result<CloneOf, RemoteError> {
        self.ask()
    }
}

/// What one build reaches other machines through, until it is given up.
#[derive(Debug)]
pub(crate) struct Reach {
    pub(crate) client: Arc<Client>,
    pub(crate) runtime: Handle,
    pub(crate) given_up: CancellationToken,
}

impl Reach {
    /// Waits on the thread of the build.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, HttpError>>) -> Result<T, NetworkError> {
        let answer = self.given_up.run_until_cancelled(answer);
        let Some(answer) = self.runtime.block_on(answer) else {
            return Err(NetworkError::Failed("the build was given up".to_owned()));
        };
        answer.map_err(|error| match error {
            HttpError::TimedOut(_) => NetworkError::TimedOut,
            HttpError::TooLarge(_) => NetworkError::TooLarge,
            other => NetworkError::Failed(other.to_string()),
        })
    }
}

impl Network for Reach {
    fn get(&self, get: &Get<'_>) -> Result<Answer, NetworkError> {
        let authorization = get.authorization.as_ref().map(|value| value.parse());
        let authorization = authorization
            .transpose()
            .map_err(|_| NetworkError::Failed("the credentials are no header".to_owned()))?;
        let answer = self.client.get(get.url, authorization, get.limit, get.time);
        let answer = self.wait(answer)?;
        Ok(Answer {
            status: answer.status.as_u16(),
            reason: answer.status.canonical_reason().unwrap_or_default().to_owned(),
            location: answer.location,
            body: answer.body.into(),
        })
    }

    fn judges(&self) -> bool {
        true
    }

    fn addresses(&self, scheme: &str, host: &str, port: u16) -> Result<Option<Vec<IpAddr>>, NetworkError> {
        self.wait(self.client.addresses(scheme, host, port))
    }

    fn is_cancelled(&self) -> bool {
        self.given_up.is_cancelled()
    }
}

//! Builds and other machines: whether one needs them, and how it reaches them.

use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use controller_kit::http::{self, Client, HttpError};
use kustomize::{CloneOf, Remote, RemoteError, RepoSpec};
use kustomize_remote::{Answer, Network, NetworkError, Policy, Request};
use tokio::runtime::Handle;
use tokio::time::Instant;
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

    /// Takes note of it.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn ask<T>(&self) -> Result<T, RemoteError> {
        self.note();
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
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) client: Arc<Client>,
    pub(crate) runtime: Handle,
    pub(crate) given_up: CancellationToken,
}

impl Reach {
    /// Waits on the thread of the build, until a time if there is one.
    fn wait<T>(
        &self,
        until: Option<Instant>,
        answer: impl Future<Output = Result<T, HttpError>>,
    ) -> Result<T, NetworkError> {
        let in_time = async {
            let Some(until) = until else {
                return answer
                    .await
                    .map_err(|error| NetworkError::Failed(error.to_string()));
            };
            match tokio::time::timeout_at(until, answer).await {
                Ok(answer) => answer.map_err(|error| NetworkError::Failed(error.to_string())),
                Err(_) => Err(NetworkError::TimedOut),
            }
        };
        let answer = self.given_up.run_until_cancelled(in_time);
        self.runtime
            .block_on(answer)
            .unwrap_or_else(|| Err(NetworkError::Failed("the build was given up".to_owned())))
    }
}

/// The body of an answer, whose pieces are waited for on the thread of the build.
struct Body {
    reach: Reach,
    until: Instant,
    answer: http::Answer,
    piece: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.reach.wait(Some(self.until), self.answer.piece())? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

impl Network for Reach {
    fn send(&self, request: &Request<'_>) -> Result<Answer, NetworkError> {
        let until = Instant::now() + request.time;
        let authorization = request.authorization.as_deref();
        let authorization = authorization.map(|value| ("authorization", value));
        let headers: Vec<_> = request.headers.iter().copied().chain(authorization).collect();
        let asked = self.client.ask(request.url, &headers, request.body.clone());
        let mut answer = self.wait(Some(until), asked)?;
        Ok(Answer {
            status: answer.status.as_u16(),
            reason: answer.status.canonical_reason().unwrap_or_default().to_owned(),
            location: answer.location.take(),
            content_type: answer.content_type.take(),
            body: Box::new(Body {
                reach: self.clone(),
                until,
                answer,
                piece: Bytes::new(),
            }),
        })
    }

    fn judges(&self) -> bool {
        true
    }

    fn addresses(&self, scheme: &str, host: &str, port: u16) -> Result<Option<Vec<IpAddr>>, NetworkError> {
        self.wait(None, self.client.addresses(scheme, host, port))
    }

    fn is_cancelled(&self) -> bool {
        self.given_up.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use controller_kit::http::{Guard, HostList};
    use kustomize_remote::Fetcher;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers as git servers begin to, and then says nothing more.
    async fn hangs_in_the_middle() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.read(&mut [0; 1024]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 1000\r\n\r\n000eversion 2\n";
            let _ = stream.write_all(head.as_bytes()).await;
            tokio::time::sleep(Duration::from_mins(10)).await;
        });
        port
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_clone_that_is_given_up_ends_at_once() {
        let port = hangs_in_the_middle().await;
        let listed = HostList::parse(["127.0.0.1"]).expect("a list");
        let client = Client::new(Guard::new(Some(listed), "--hosts")).expect("certificates");
        let given_up = CancellationToken::new();
        let reach = Reach {
            client: Arc::new(client),
            runtime: Handle::current(),
            given_up: given_up.clone(),
        };
        let fetcher = Fetcher::new(Policy::default(), Arc::new(reach));
        let address = format!("git::http://127.0.0.1:{port}/a.git?ref=main");
        let clone = tokio::task::spawn_blocking(move || {
            let repo = RepoSpec::parse(&address).expect("a repository");
            fetcher.clone_repo(&repo).map(|_| ())
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        given_up.cancel();
        let error = clone.await.expect("it ends").expect_err("nobody waits");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let RemoteError::Failed(text) = error else {
            panic!("{error:?}");
        };
        assert!(text.contains("the build was given up"), "{text}");
    }
}

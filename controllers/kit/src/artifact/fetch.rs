//! Downloads artifacts: only from allowed hosts, bounded, without redirects, and verified.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::Instant;
use url::Url;

use super::{Digest, HostAllowList, StandIns, UrlError, shown_url};
use crate::http::{Client, error_text};
use crate::{FairBudget, Portion};

/// Bounds on a download.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// Hosts that artifacts may come from.
    pub hosts: HostAllowList,
    /// Longest body in bytes; 128 MiB by default.
    pub max_bytes: usize,
    /// Longest time without any progress; 30 s by default.
    pub idle_timeout: Duration,
    /// Longest time for the whole download; 5 min by default.
    pub timeout: Duration,
    /// Hosts that stand in for those of URLs; none by default.
    pub stand_ins: StandIns,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            hosts: HostAllowList::in_cluster(),
            max_bytes: 128 << 20,
            idle_timeout: Duration::from_secs(30),
            timeout: Duration::from_mins(5),
            stand_ins: StandIns::default(),
        }
    }
}

/// Why an artifact could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not allowed; waiting does not help.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The server has no such file: the source was garbage-collected or its storage is being rebuilt.
    #[error("artifact not found: {url} answered 404")]
    NotFound {
        /// Where.
        url: String,
    },
    /// The server redirected, which artifact servers never do.
    #[error("artifact server at {url} answered with a redirect, which is not followed")]
    Redirect {
        /// Where.
        url: String,
    },
    /// The server answered with a failure.
    #[error("artifact server at {url} answered {status}")]
    Status {
        /// Where.
        url: String,
        /// Status line.
        status: StatusCode,
    },
    /// No answer, or the connection broke.
    #[error("failed to download artifact from {url}: {reason}")]
    Transport {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The body is too long.
    #[error("artifact at {url} is larger than {limit} bytes, raise --artifact-max-bytes if that is intended")]
    TooLarge {
        /// Where.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not those that the Artifact describes.
    #[error("artifact at {url} does not have digest {digest}: it was replaced meanwhile, or is corrupt")]
    Digest {
        /// Where.
        url: String,
        /// What was expected.
        digest: Digest,
    },
}

impl FetchError {
    /// Tells whether trying again soon may help: connection errors, 429, and 5xx but 501.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Status { status, .. } => {
                *status == StatusCode::TOO_MANY_REQUESTS
                    || (status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED)
            }
            _ => false,
        }
    }
}

/// Downloads artifacts over pooled connections.
///
/// The bytes that are in memory at once are a budget, of which a download takes its part before its body is read: what
/// it is announced to have, or the most that one may have.
pub struct Fetcher {
    client: Client,
    options: FetchOptions,
    small: FairBudget,
    large: FairBudget,
    local: OnceLock<Arc<dyn LocalContent>>,
}

/// Downloads up to this size have a budget of their own, so that they wait for no large one.
const SMALL_BYTES: usize = 1 << 20;

/// Bytes of small downloads that are in memory at once, of which one namespace has at most half.
const SMALL: usize = 16 << 20;

/// Bytes of large downloads beside the largest, so that one that is slow does not keep all others waiting.
const BESIDE_LARGEST: usize = 32 << 20;

/// What a download has to bring within the idle time-out, so that a slow server does not keep its part for long.
const SLOWEST_BYTES: usize = 4 << 20;

/// The bytes of an artifact as they were served.
#[derive(Debug)]
pub struct Download {
    /// The bytes, which have the digest that was asked for.
    pub bytes: Bytes,
    /// Whether this process had them itself.
    pub is_local: bool,
    /// Its part of the memory for downloads, until it is dropped.
    _part: Portion,
}

/// Artifacts that this process has itself.
pub trait LocalContent: Send + Sync {
    /// Gives the bytes of an artifact by its digest, `algorithm:hex`; blocks.
    fn bytes(&self, digest: &str) -> Option<Vec<u8>>;
}

impl Fetcher {
    /// Creates a fetcher that trusts the system's certificate authorities.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(options: FetchOptions) -> std::io::Result<Self> {
        let stand_ins = options.stand_ins.list().map_err(std::io::Error::other)?;
        let guard = options.hosts.guard(stand_ins);
        let large = options.max_bytes.saturating_add(BESIDE_LARGEST);
        Ok(Self {
            client: Client::new(guard)?,
            small: FairBudget::new(SMALL, SMALL / 2),
            large: FairBudget::new(large, large / 2),
            local: OnceLock::new(),
            options,
        })
    }

    /// Gives the hosts that artifacts may come from.
    pub fn hosts(&self) -> &HostAllowList {
        &self.options.hosts
    }

    /// Has artifacts taken from this process that it has itself, instead of asking it over HTTP; the first word counts.
    pub fn serve_locally(&self, local: Arc<dyn LocalContent>) {
        // Whoever comes second finds that there is somebody already.
        let _ = self.local.set(local);
    }

    /// Downloads `url` for a namespace and verifies that it has `digest`.
    ///
    /// The URL has to be allowed, but what this process has itself is not asked for.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, url: &str, digest: &Digest, namespace: &str) -> Result<Download, FetchError> {
        let target = self.options.hosts.check(url)?;
        if let Some(download) = self.local(digest, namespace).await {
            return Ok(download);
        }
        let url = &shown_url(url);
        let target = self.options.stand_ins.apply(target);
        let target = target.map_err(|reason| transport(url, &reason))?;
        let (bytes, part) = self.download(&target, url, namespace).await?;
        // Hashing a large artifact takes tens of milliseconds, which would stall other tasks of the thread.
        let expected = digest.clone();
        let verified = tokio::task::spawn_blocking(move || (expected.matches(&bytes), bytes, part)).await;
        match verified {
            Ok((true, bytes, part)) => Ok(Download {
                bytes,
                is_local: false,
                _part: part,
            }),
            Ok((false, ..)) => Err(FetchError::Digest {
                url: url.to_owned(),
                digest: digest.clone(),
            }),
            Err(error) => Err(transport(url, &error.to_string())),
        }
    }

    /// What this process has itself, if it is what it is called.
    async fn local(&self, digest: &Digest, namespace: &str) -> Option<Download> {
        let (local, expected) = (Arc::clone(self.local.get()?), digest.clone());
        let read = tokio::task::spawn_blocking(move || {
            let bytes = local.bytes(&expected.to_string())?;
            expected.matches(&bytes).then(|| Bytes::from(bytes))
        });
        let bytes = read.await.ok().flatten()?;
        if bytes.len() > self.options.max_bytes {
            return None;
        }
        let budget = if bytes.len() <= SMALL_BYTES {
            &self.small
        } else {
            &self.large
        };
        let part = budget.take(namespace, bytes.len()).await;
        Some(Download {
            bytes,
            is_local: true,
            _part: part,
        })
    }

    /// Downloads `target`, which messages show as `url`.
    async fn download(
        &self,
        target: &Url,
        url: &str,
        namespace: &str,
    ) -> Result<(Bytes, Portion), FetchError> {
        let request = self
            .client
            .send(target, HeaderMap::new(), None)
            .map_err(|error| transport(url, &error.to_string()))?;
        let mut deadline = Instant::now() + self.options.timeout;
        let response = self
            .within(deadline, url, "no answer", request)
            .await?
            .map_err(|error| transport(url, &error.to_string()))?;
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(FetchError::NotFound { url: url.to_owned() }),
            status if status.is_redirection() => return Err(FetchError::Redirect { url: url.to_owned() }),
            status => {
                return Err(FetchError::Status {
                    url: url.to_owned(),
                    status,
                });
            }
        }
        let too_large = || FetchError::TooLarge {
            url: url.to_owned(),
            limit: self.options.max_bytes,
        };
        let announced = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let announced = announced.and_then(|value| value.parse::<usize>().ok());
        let most = announced.unwrap_or(self.options.max_bytes);
        if most > self.options.max_bytes {
            return Err(too_large());
        }
        let budget = if most <= SMALL_BYTES {
            &self.small
        } else {
            &self.large
        };
        let queued = Instant::now();
        let part = budget.take(namespace, most).await;
        // Others may have kept it waiting for long, which is not this server's doing.
        deadline += queued.elapsed();
        let mut body = response.into_body();
        let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0));
        let mut pace = (Instant::now(), 0);
        loop {
            let Some(frame) = self.within(deadline, url, "no data", body.frame()).await? else {
                return Ok((bytes.freeze(), part));
            };
            let frame = frame.map_err(|error| transport(url, &error_text(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            if pace.0.elapsed() > self.options.idle_timeout {
                if bytes.len() - pace.1 < SLOWEST_BYTES {
                    let text = format!(
                        "less than {SLOWEST_BYTES} bytes within {:?}",
                        self.options.idle_timeout
                    );
                    return Err(transport(url, &text));
                }
                pace = (Instant::now(), bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
    }
}

impl Fetcher {
    /// Awaits `future` for the idle time-out at most, and no longer than until `deadline`.
    async fn within<F: Future>(
        &self,
        deadline: Instant,
        url: &str,
        what: &str,
        future: F,
    ) -> Result<F::Output, FetchError> {
        let FetchOptions {
            idle_timeout,
            timeout,
            ..
        } = self.options;
        let end = deadline.min(Instant::now() + idle_timeout);
        tokio::time::timeout_at(end, future).await.map_err(|_| {
            let text = if end == deadline {
                format!("not complete after {timeout:?}")
            } else {
                format!("{what} within {idle_timeout:?}")
            };
            transport(url, &text)
        })
    }
}

fn transport(url: &str, reason: &str) -> FetchError {
    FetchError::Transport {
        url: url.to_owned(),
        reason: reason.to_owned(),
    }
}

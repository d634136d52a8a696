//! One file over HTTP(S).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kustomize::RemoteError;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{Answer, Get, Network, NetworkError, Policy};

/// As many as Go's client follows.
const MAX_REDIRECTS: usize = 10;

pub(crate) fn get(
    network: &dyn Network,
    policy: &Policy,
    url: &str,
    limit: u64,
) -> Result<Vec<u8>, RemoteError> {
    let parsed = Url::parse(url).map_err(|e| failed(url, e))?;
    let (_, answer) = follow(network, policy, parsed, Some(limit)).map_err(|error| match error {
        Stop::Refused(error) => error,
        Stop::Network(NetworkError::TimedOut) => {
            RemoteError::TimedOut(format!("Get {url:?}: no answer within {:?}", policy.get_time))
        }
        Stop::Network(NetworkError::TooLarge) => RemoteError::TooLarge(format!(
            "Get {url:?}: the file is larger than the {limit} bytes that this build may still read"
        )),
        Stop::Network(NetworkError::Failed(reason)) => failed(url, reason),
    })?;
    if (200..300).contains(&answer.status) {
        Ok(answer.body)
    } else {
        Err(RemoteError::Status(answer.status, answer.reason))
    }
}

fn failed(url: &str, reason: impl std::fmt::Display) -> RemoteError {
    RemoteError::Failed(format!("Get {url:?}: {reason}"))
}

/// Why redirects were not followed to an answer.
pub(crate) enum Stop {
    /// The policy forbids a host.
    Refused(RemoteError),
    /// There is no answer.
    Network(NetworkError),
}

/// Follows redirects, each of which has to be allowed; gives the URL that answered, too.
pub(crate) fn follow(
    network: &dyn Network,
    policy: &Policy,
    url: Url,
    limit: Option<u64>,
) -> Result<(Url, Answer), Stop> {
    let start = Instant::now();
    let mut next = url;
    for _ in 0..=MAX_REDIRECTS {
        policy.check(next.as_str()).map_err(Stop::Refused)?;
        let time = policy.get_time.saturating_sub(start.elapsed());
        let answer = send(network, &next, limit, time).map_err(Stop::Network)?;
        let Some(location) = answer.redirect() else {
            return Ok((next, answer));
        };
        let failed = |reason: String| Stop::Network(NetworkError::Failed(reason));
        next = next.join(location).map_err(|e| failed(e.to_string()))?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err(failed(format!("unsupported protocol scheme {:?}", next.scheme())));
        }
    }
    let text = format!("stopped after {MAX_REDIRECTS} redirects");
    Err(Stop::Network(NetworkError::Failed(text)))
}

fn send(
    network: &dyn Network,
    url: &Url,
    limit: Option<u64>,
    time: Duration,
) -> Result<Answer, NetworkError> {
    if time.is_zero() {
        return Err(NetworkError::TimedOut);
    }
    // Credentials that the URL holds are basic authentication, to the host that it names only.
    let mut bare = url.clone();
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let (user, password) = (
        decoded(url.username()),
        decoded(url.password().unwrap_or_default()),
    );
    // Both succeed for every URL that has a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    let credentials = !user.is_empty() || !password.is_empty();
    network.get(&Get {
        url: &bare,
        authorization: credentials
            .then(|| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))),
        limit,
        time,
    })
}

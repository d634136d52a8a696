//! One file over HTTP(S).

use std::io::Read as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kustomize::RemoteError;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{Answer, Network, NetworkError, Policy, Request};

/// As many as Go's client follows.
pub(crate) const MAX_REDIRECTS: usize = 10;

pub(crate) fn get(
    network: &dyn Network,
    policy: &Policy,
    url: &str,
    limit: u64,
) -> Result<Vec<u8>, RemoteError> {
    let parsed = Url::parse(url).map_err(|e| failed(url, e))?;
    let body = follow(network, policy, parsed).and_then(|answer| {
        if !answer.is_success() {
            return Err(Stop::Refused(RemoteError::Status(answer.status, answer.reason)));
        }
        read(answer, limit).map_err(Stop::Network)
    });
    body.map_err(|error| match error {
        Stop::Refused(error) => error,
        Stop::Network(NetworkError::TimedOut) => {
            RemoteError::TimedOut(format!("Get {url:?}: no answer within {:?}", policy.get_time))
        }
        Stop::Network(NetworkError::TooLarge) => RemoteError::TooLarge(format!(
            "Get {url:?}: the file is larger than the {limit} bytes that this build may still read"
        )),
        Stop::Network(NetworkError::Failed(reason)) => failed(url, reason),
    })
}

fn failed(url: &str, reason: impl std::fmt::Display) -> RemoteError {
    RemoteError::Failed(format!("Get {url:?}: {reason}"))
}

/// Reads a body of which there may be no more than `limit` bytes.
pub(crate) fn read(answer: Answer, limit: u64) -> Result<Vec<u8>, NetworkError> {
    let mut body = Vec::new();
    answer.body.take(limit.saturating_add(1)).read_to_end(&mut body)?;
    if body.len() as u64 > limit {
        return Err(NetworkError::TooLarge);
    }
    Ok(body)
}

/// Why redirects were not followed to an answer.
enum Stop {
    /// The policy forbids a host, or the server refused.
    Refused(RemoteError),
    /// There is no answer.
    Network(NetworkError),
}

/// Follows redirects, each of which has to be allowed.
fn follow(network: &dyn Network, policy: &Policy, url: Url) -> Result<Answer, Stop> {
    let start = Instant::now();
    let mut next = url;
    for _ in 0..=MAX_REDIRECTS {
        policy.check(next.as_str()).map_err(Stop::Refused)?;
        let time = policy.get_time.saturating_sub(start.elapsed());
        let answer = send(network, &next, time).map_err(Stop::Network)?;
        let Some(location) = answer.redirect() else {
            return Ok(answer);
        };
        next = target(&next, location).map_err(|reason| Stop::Network(NetworkError::Failed(reason)))?;
    }
    let text = format!("stopped after {MAX_REDIRECTS} redirects");
    Err(Stop::Network(NetworkError::Failed(text)))
}

/// The URL that a redirect leads to.
pub(crate) fn target(from: &Url, location: &str) -> Result<Url, String> {
    let next = from.join(location).map_err(|e| e.to_string())?;
    if matches!(next.scheme(), "http" | "https") {
        Ok(next)
    } else {
        Err(format!("unsupported protocol scheme {:?}", next.scheme()))
    }
}

fn send(network: &dyn Network, url: &Url, time: Duration) -> Result<Answer, NetworkError> {
    if time.is_zero() {
        return Err(NetworkError::TimedOut);
    }
    let (bare, authorization) = without_credentials(url);
    network.send(&Request {
        url: &bare,
        authorization,
        headers: &[],
        body: None,
        time,
    })
}

/// The URL without its credentials, which are basic authentication to the host that it names only.
pub(crate) fn without_credentials(url: &Url) -> (Url, Option<String>) {
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
    let has_credentials = !user.is_empty() || !password.is_empty();
    let encoded = has_credentials.then(|| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    (bare, encoded)
}

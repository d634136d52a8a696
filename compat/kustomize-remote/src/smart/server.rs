//! The requests of the protocol: where they go, with which credentials, and what their answers mean.

use std::io::Read;

use kustomize::RemoteError;
use url::Url;

use crate::bounds::Bounds;
use crate::http::{MAX_REDIRECTS, target, without_credentials};
use crate::{Answer, Network, NetworkError, Policy, Request};

/// What git asks for first.
const FIRST: &str = "/info/refs";
const SERVICE: &str = "git-upload-pack";
/// Some servers answer in another way to what they do not take for git.
const USER_AGENT: &str = concat!("git/2.0 (openflux/", env!("CARGO_PKG_VERSION"), ")");
/// How git is known within the protocol.
pub(crate) const AGENT: &str = concat!("agent=openflux/", env!("CARGO_PKG_VERSION"));

/// A repository on a server.
pub(crate) struct Server<'a> {
    network: &'a dyn Network,
    policy: &'a Policy,
    pub(crate) bounds: Bounds<'a>,
    /// Without credentials.
    url: Url,
    /// The credentials that the address has, which are for its host alone.
    authorization: Option<String>,
    /// Whether the server has asked for credentials.
    is_asked: bool,
}

impl<'a> Server<'a> {
    pub(crate) fn new(
        address: &str,
        network: &'a dyn Network,
        policy: &'a Policy,
        bounds: Bounds<'a>,
    ) -> Result<Self, RemoteError> {
        let url = Url::parse(address).map_err(|e| RemoteError::Failed(e.to_string()))?;
        let (url, authorization) = without_credentials(&url);
        Ok(Self {
            network,
            policy,
            bounds,
            url,
            authorization,
            is_asked: false,
        })
    }

    /// Asks for what the server has, and follows it to where it is.
    pub(crate) fn discover(&mut self) -> Result<Box<dyn Read + Send>, RemoteError> {
        let mut next = self.below(FIRST);
        next.set_query(Some(&format!("service={SERVICE}")));
        for _ in 0..=MAX_REDIRECTS {
            self.policy.check(next.as_str())?;
            let answer = self.send(&next, None)?;
            if let Some(location) = answer.redirect() {
                let to = target(&next, location).map_err(RemoteError::Failed)?;
                let (to, own) = without_credentials(&to);
                if to.origin() != next.origin() {
                    // Nobody else is told the credentials.
                    (self.authorization, self.is_asked) = (own, false);
                }
                next = to;
                continue;
            }
            let body = accepted(answer, "advertisement")?;
            let path = next.path().strip_suffix(FIRST).map(str::to_owned);
            let path = path.ok_or_else(|| {
                let text = format!("{} redirects to what is no repository", host(&self.url));
                RemoteError::Failed(text)
            })?;
            next.set_path(&path);
            next.set_query(None);
            self.url = next;
            return Ok(body);
        }
        Err(RemoteError::Failed(format!(
            "stopped after {MAX_REDIRECTS} redirects"
        )))
    }

    /// Has the server run a command.
    pub(crate) fn post(&mut self, request: &[u8]) -> Result<Box<dyn Read + Send>, RemoteError> {
        let url = self.below(&format!("/{SERVICE}"));
        let answer = self.send(&url, Some(request))?;
        if answer.redirect().is_some() {
            // As git has it: only the first answer may lead elsewhere.
            let text = format!("{} redirects a request that it has taken before", host(&self.url));
            return Err(RemoteError::Failed(text));
        }
        accepted(answer, "result")
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }

    /// Sends a request, again with the credentials if the server asks for some.
    fn send(&mut self, url: &Url, body: Option<&[u8]>) -> Result<Answer, RemoteError> {
        loop {
            self.bounds.check()?;
            let mut headers = vec![("git-protocol", "version=2"), ("user-agent", USER_AGENT)];
            if body.is_some() {
                headers.extend([
                    ("content-type", "application/x-git-upload-pack-request"),
                    ("accept", "application/x-git-upload-pack-result"),
                ]);
            }
            let request = Request {
                url,
                authorization: self.authorization.clone().filter(|_| self.is_asked),
                headers: &headers,
                body: body.map(<[u8]>::to_vec),
                time: self.bounds.left(),
            };
            let answer = self.network.send(&request);
            let answer = answer.map_err(|error| self.unreachable(url, error))?;
            if answer.status != 401 {
                return Ok(answer);
            }
            if self.is_asked {
                let text = format!("{} refuses the credentials of the address", host(url));
                return Err(RemoteError::Failed(text));
            }
            if self.authorization.is_none() {
                let text = format!("{} asks for credentials, and the address has none", host(url));
                return Err(RemoteError::Failed(text));
            }
            self.is_asked = true;
        }
    }

    fn unreachable(&self, url: &Url, error: NetworkError) -> RemoteError {
        let error = match error {
            NetworkError::Failed(reason) => {
                NetworkError::Failed(format!("cannot reach host {:?}: {reason}", host(url)))
            }
            other => other,
        };
        self.bounds.network_error(error)
    }
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// The body of an answer of the protocol.
fn accepted(answer: Answer, kind: &str) -> Result<Box<dyn Read + Send>, RemoteError> {
    let failed = |text: String| Err(RemoteError::Failed(text));
    match answer.status {
        200 => {}
        404 | 410 => {
            return failed(format!(
                "repository not found ({} {})",
                answer.status, answer.reason
            ));
        }
        status => return failed(format!("the server answers {status} {}", answer.reason)),
    }
    let expected = format!("application/x-{SERVICE}-{kind}");
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    if content_type.split(';').next().map(str::trim) == Some(expected.as_str()) {
        Ok(answer.body)
    } else {
        failed("the server answers with something that is no git repository".to_owned())
    }
}

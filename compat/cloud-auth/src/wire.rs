//! Requests and replies as values, and who sends them.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

/// Who says where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The cloud's own names, or the environment of the process: it may go anywhere, to a metadata service too.
    Process,
    /// The same for what only this machine can tell: no proxy is asked, which would speak of another machine.
    Machine,
    /// Somebody who writes files or Secrets: it may not go to this machine, nor to a metadata service.
    Tenant,
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` or `PUT`.
    pub method: &'static str,
    /// Where it goes.
    pub url: Url,
    /// Headers, with their names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Who says where it goes.
    pub trust: Trust,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers and bodies have secrets in them.
        write!(
            f,
            "{} {}{}",
            self.method,
            self.url.host_str().unwrap_or_default(),
            self.url.path()
        )
    }
}

impl Request {
    /// A request without a body.
    pub fn get(url: Url, trust: Trust) -> Self {
        Self {
            method: "GET",
            url,
            headers: Vec::new(),
            body: Vec::new(),
            trust,
        }
    }

    /// A request with a body.
    pub fn post(url: Url, content_type: &str, body: Vec<u8>, trust: Trust) -> Self {
        Self {
            method: "POST",
            url,
            headers: vec![("content-type", content_type.to_owned())],
            body,
            trust,
        }
    }

    /// A form, as browsers send it.
    pub fn form(url: Url, fields: &[(&str, &str)], trust: Trust) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self::post(url, "application/x-www-form-urlencoded", body.into_bytes(), trust)
    }

    /// The request with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What a server answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// Headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}

impl Reply {
    /// Whether the server did what was asked for.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The beginning of the body as text, for messages about failures.
    pub fn text(&self) -> String {
        const SHOWN: usize = 1 << 10;
        let text = String::from_utf8_lossy(self.body.get(..SHOWN).unwrap_or(&self.body));
        text.trim().to_owned()
    }
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NetworkError {
    /// Text for people.
    pub text: String,
    /// Whether it is of no use to try again, as with a host that must not be asked.
    pub is_final: bool,
}

/// A future of a network.
pub type Sent<'n> = Pin<Box<dyn Future<Output = Result<Reply, NetworkError>> + Send + 'n>>;

/// Who sends requests, within a time that it sets; redirects are not followed, and replies are bounded.
pub trait Network: Send + Sync {
    /// Sends a request.
    fn send(&self, request: Request) -> Sent<'_>;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Waits before something is tried again.
    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Sends a request, and again up to two times when the server cannot be reached or has troubles of its own.
///
/// # Errors
/// The server could not be reached.
pub async fn send_patiently(network: &dyn Network, request: &Request) -> Result<Reply, NetworkError> {
    const ATTEMPTS: u32 = 3;
    let mut attempt = 1;
    loop {
        let sent = network.send(request.clone()).await;
        let is_over = match &sent {
            Ok(reply) => !matches!(reply.status, 412 | 429 | 500..),
            Err(error) => error.is_final,
        };
        if is_over || attempt == ATTEMPTS {
            return sent;
        }
        network.pause(Duration::from_millis(500) * attempt).await;
        attempt += 1;
    }
}

/// What is around a process: its environment and its files.
pub trait Surroundings: Send + Sync {
    /// The value of a variable that is set, and not to the empty text.
    fn variable(&self, name: &str) -> Option<String>;
    /// The content of a file; nothing if there is none.
    fn file(&self, path: &str) -> Result<Option<String>, String>;
}

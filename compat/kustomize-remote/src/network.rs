//! The way to other machines, which whoever makes a fetcher provides.

use std::fmt::{self, Debug};
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

/// What a fetcher reaches other machines through; blocks the thread of the build.
pub trait Network: Debug + Send + Sync {
    /// Sends a request, and follows no redirect; the body of the answer is read as it arrives.
    ///
    /// Neither the wait for the head of the answer nor that for a piece of its body goes on when nobody waits for the
    /// build any more, or when the time of the request is over.
    ///
    /// # Errors
    /// See [`NetworkError`].
    fn send(&self, request: &Request<'_>) -> Result<Answer, NetworkError>;

    /// Tells whether it judges where a request leads, so that no other program may reach HTTP servers by itself.
    fn judges(&self) -> bool {
        false
    }

    /// Gives the only addresses at which a program may reach a host; `None` where the program may find them by itself.
    ///
    /// # Errors
    /// The host may not be asked, or is unknown.
    fn addresses(&self, _scheme: &str, _host: &str, _port: u16) -> Result<Option<Vec<IpAddr>>, NetworkError> {
        Ok(None)
    }

    /// Tells whether nobody waits for the build any more.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A GET, or a POST if it has a body.
#[derive(Debug)]
pub struct Request<'a> {
    /// The URL, without credentials.
    pub url: &'a Url,
    /// The value of the header `Authorization`.
    pub authorization: Option<String>,
    /// Further headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// What is posted.
    pub body: Option<Vec<u8>>,
    /// How long it may take until the body of the answer has been read.
    pub time: Duration,
}

/// What a server answered.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The words that go with the status.
    pub reason: String,
    /// Where it redirects to, as it says.
    pub location: Option<String>,
    /// What it says that the body is.
    pub content_type: Option<String>,
    /// The body, whose errors are made of [`NetworkError`].
    pub body: Box<dyn Read + Send>,
}

impl Answer {
    /// Gives where the server says that it is, if that is elsewhere.
    pub(crate) fn redirect(&self) -> Option<&str> {
        let redirects = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.location.as_deref().filter(|_| redirects)
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub enum NetworkError {
    /// It took too long.
    TimedOut,
    /// The body is longer than was asked for.
    TooLarge,
    /// Anything else, in the words of whoever noticed it.
    Failed(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for NetworkError {}

impl From<NetworkError> for io::Error {
    fn from(error: NetworkError) -> Self {
        Self::other(error)
    }
}

impl From<io::Error> for NetworkError {
    /// Gives the error that a reader was made to tell, or what else it says.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(network) => network,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

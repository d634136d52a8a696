//! The way to other machines, which whoever makes a fetcher provides.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use url::Url;

/// What a fetcher reaches other machines through; blocks the thread of the build.
pub trait Network: Debug + Send + Sync {
    /// Sends a GET and follows no redirect.
    ///
    /// # Errors
    /// See [`NetworkError`].
    fn get(&self, get: &Get<'_>) -> Result<Answer, NetworkError>;

    /// Tells whether it judges where a request leads, so that no other program may follow redirects by itself.
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

/// A GET.
#[derive(Debug)]
pub struct Get<'a> {
    /// The URL, without credentials.
    pub url: &'a Url,
    /// The value of the header `Authorization`.
    pub authorization: Option<String>,
    /// The most bytes of the body of a success; none when it is of no interest.
    pub limit: Option<u64>,
    /// How long it may take.
    pub time: Duration,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The words that go with the status.
    pub reason: String,
    /// Where it redirects to, as it says.
    pub location: Option<String>,
    /// The body of a success.
    pub body: Vec<u8>,
}

impl Answer {
    /// Gives where the server says that it is, if that is elsewhere.
    pub(crate) fn redirect(&self) -> Option<&str> {
        let redirects = matches!(self.status, 301 | 302 | 303 | 307 | 308);
        self.location.as_deref().filter(|_| redirects)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NetworkError {
    /// It took too long.
    TimedOut,
    /// The body is longer than was asked for.
    TooLarge,
    /// Anything else, in the words of whoever noticed it.
    Failed(String),
}

//! Why a request was of no use, and what that says about its object.

use std::sync::Arc;
use std::time::Duration;

use kube::core::Status;

use crate::redact;

/// A request that the API server refused or that never got an answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The API server answered with a failure status.
    #[error("{}", .0.message)]
    Api(Box<Status>),
    /// No usable answer: connection, TLS, time-out or malformed body.
    #[error("{0}")]
    Transport(#[source] Box<kube::Error>),
    /// The API server took the request and said nothing.
    #[error("no answer from the API server within {}s", .0.as_secs())]
    NoAnswer(Duration),
    /// Somebody has just found out that the API server does not answer; nothing was sent.
    #[error("the cluster cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// The request could not be built, because a name is not valid in a URL or a header.
    #[error("invalid request: {0}")]
    Request(String),
}

impl RestError {
    /// Tells whether the object, its kind or its namespace does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Tells whether what was read is no longer what is there, so that whatever rests on it has to be decided anew.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409) && self.reason() == "Conflict"
    }

    /// Tells whether there is nothing at the address of the kind itself.
    pub fn is_not_served(&self) -> bool {
        let text = self.to_string();
        let says = |part: &str| text.contains(part);
        self.is_not_found()
            && (says("the server could not find the requested resource") || says("404 page not found"))
    }

    /// Tells whether the identity lacks a permission.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// Tells whether what was to be created exists.
    pub fn is_already_there(&self) -> bool {
        self.code() == Some(409) && self.reason() == "AlreadyExists"
    }

    /// Tells whether this says nothing about the object of the request: no answer, no room, a broken webhook.
    ///
    /// What a kind's schema does not know is answered by 500 too, but without a reason.
    pub fn is_of_system(&self) -> bool {
        match self {
            Self::Api(status) => match status.code {
                401 | 408 | 429 => true,
                500 => !matches!(&*status.reason, "" | "Unknown"),
                code => code > 500,
            },
            Self::Transport(_) | Self::NoAnswer(_) | Self::Unreachable(_) => true,
            Self::Request(_) => false,
        }
    }

    /// Tells whether the request would change a field that never changes, as upstream recognises it by the text.
    pub fn is_immutable(&self) -> bool {
        let text = self.to_string();
        ["is immutable", "immutable field", "cannot change roleRef"]
            .iter()
            .any(|part| text.contains(part))
    }

    /// Leaves out of the text what the API server repeats of the object's values: they may be secret.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        if let Self::Api(status) = &mut self {
            status.message = redact::values(&status.message);
        }
        self
    }

    /// Gives the HTTP status code of an answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Api(status) => Some(status.code),
            Self::Transport(_) | Self::NoAnswer(_) | Self::Unreachable(_) | Self::Request(_) => None,
        }
    }

    /// Gives the reason of a failure status, such as `Invalid`.
    pub fn reason(&self) -> &str {
        match self {
            Self::Api(status) => &status.reason,
            Self::Transport(_) | Self::NoAnswer(_) | Self::Unreachable(_) | Self::Request(_) => "",
        }
    }
}

impl From<kube::Error> for RestError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Api(status),
            other => Self::Transport(Box::new(other)),
        }
    }
}

/// An error with all of its causes: what went wrong with a connection is at their end.
pub(super) fn in_full(error: &kube::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

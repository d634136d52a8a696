//! The one error type of a build.

use std::fmt;

use crate::remote::redact_urls;

/// Why a build failed: a kind that decides its fate, and the text that kustomize itself would print.
///
/// Texts nest the way upstream nests them, outermost context first: `accumulating resources: accumulation err='...': ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: String,
}

/// What sort of failure an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input is wrong and has to be edited.
    Invalid,
    /// A file is not YAML; upstream words a failed resource differently in that case.
    MalformedYaml,
    /// A file or directory is not there, is not of the expected type, or lies outside what may be read.
    Load,
    /// An HTTP server answered with a status other than 2xx.
    Http,
    /// A remote reference that this build is not allowed, or not able, to follow.
    Remote,
    /// A remote reference took longer than it may.
    Timeout,
    /// A [`Limits`](crate::Limits) bound was reached.
    Limit,
    /// The caller gave the build up.
    Cancelled,
    /// The kustomization asks for a plugin, function or chart that is disabled.
    Disabled,
}

impl From<go_std::record::Error> for Error {
    fn from(error: go_std::record::Error) -> Self {
        let kind = match error {
            go_std::record::Error::Misfit(_) => ErrorKind::Invalid,
            go_std::record::Error::Elements { .. } => ErrorKind::Limit,
        };
        Self::new(kind, error.to_string())
    }
}

impl Error {
    /// An error of a kind with its text.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: shortened(text.into()),
        }
    }

    /// An error in the input.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, text)
    }

    /// Names the file, in the errors in which upstream names it.
    pub(crate) fn in_file(self, path: &str) -> Self {
        match self.kind {
            ErrorKind::MalformedYaml => Self::new(self.kind, format!("{self} in File: {path}")),
            _ => self,
        }
    }

    /// An error of the YAML reader.
    pub(crate) fn yaml(error: &go_yaml::Error) -> Self {
        let kind = match error.kind() {
            go_yaml::ErrorKind::Limit => ErrorKind::Limit,
            _ => ErrorKind::Invalid,
        };
        Self::new(kind, error.to_string())
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the build is over, whatever else could be tried: no bound is left, or nobody waits.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind, ErrorKind::Limit | ErrorKind::Cancelled)
    }

    /// The same error without what URLs in its text may give away.
    pub(crate) fn redacted(mut self) -> Self {
        self.text = redact_urls(&self.text);
        self
    }

    /// The same error with `prefix: ` before its text.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.text = shortened(format!("{prefix}: {}", self.text));
        self
    }
}

/// The beginning of a path, as errors about limits show it.
pub(crate) fn excerpt(path: &str) -> String {
    const SHOWN: usize = 60;
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &path[..end]),
        None => path.to_owned(),
    }
}

/// Cuts a text that nobody would read to its end: components quote the errors of those below them, which doubles it at
/// each level.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 1 << 20;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str("...");
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// `result.context("prefix")` for any result of this crate.
pub(crate) trait Context<T> {
    fn context(self, prefix: impl fmt::Display) -> Result<T, Error>;
    fn with_context<D: fmt::Display>(self, prefix: impl FnOnce() -> D) -> Result<T, Error>;
    /// Says where a bound was reached; all other errors are worded as upstream words them.
    fn limit_at<D: fmt::Display>(self, place: impl FnOnce() -> D) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, Error> {
    fn context(self, prefix: impl fmt::Display) -> Result<T, Error> {
        self.map_err(|e| e.context(prefix))
    }

    fn with_context<D: fmt::Display>(self, prefix: impl FnOnce() -> D) -> Result<T, Error> {
        self.map_err(|e| e.context(prefix()))
    }

    fn limit_at<D: fmt::Display>(self, place: impl FnOnce() -> D) -> Result<T, Error> {
        self.map_err(|e| if e.is_final() { e.context(place()) } else { e })
    }
}

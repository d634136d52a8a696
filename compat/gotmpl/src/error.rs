//! Errors of parsing, of functions, and of execution, with Go's texts.

use std::error::Error as StdError;
use std::fmt;

/// A template that could not be parsed.
///
/// Its text is Go's: `template: NAME:LINE: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The name of the template text.
    pub name: String,
    /// The line of the newest token that was read, from 1; 0 if the text as a whole is at fault.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.message);
        }
        write!(f, "template: {}:{}: {}", self.name, self.line, self.message)
    }
}

impl StdError for ParseError {}

/// An error that a template function returns.
///
/// The engine puts it in an [`ExecError`] as `error calling NAME: TEXT`.
///
/// Texts are put together only when they are shown: in a chain of a thousand includes, each would repeat all below it.
pub struct FuncError {
    /// The text, or what comes before that of the cause.
    message: Box<dyn fmt::Display + Send + Sync>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    limit: bool,
}

impl FuncError {
    /// Makes an error with the given text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: Box::new(message.into()),
            cause: None,
            limit: false,
        }
    }

    /// Makes an error whose text is a prefix and then the text of its cause, as Go's `fmt.Errorf("…%w")`.
    pub fn wrap(
        prefix: impl fmt::Display + Send + Sync + 'static,
        cause: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let cause = cause.into();
        let limit = is_limit(cause.as_ref());
        Self {
            message: Box::new(prefix),
            cause: Some(cause),
            limit,
        }
    }

    /// Makes the error of a used-up limit, after which the execution cannot go on.
    pub fn limit(message: impl Into<String>) -> Self {
        let mut error = Self::new(message);
        error.limit = true;
        error
    }

    /// Returns whether a limit of the execution was used up.
    pub fn is_limit(&self) -> bool {
        self.limit
    }
}

fn is_limit(error: &(dyn StdError + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<ExecError>().is_some_and(ExecError::is_limit)
        || error.downcast_ref::<FuncError>().is_some_and(FuncError::is_limit)
}

impl fmt::Display for FuncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        match &self.cause {
            Some(cause) => crate::deep(|| write!(f, "{cause}")),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for FuncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuncError")
            .field("text", &self.to_string())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Frees a long chain link by link, which nested calls could not.
impl Drop for FuncError {
    fn drop(&mut self) {
        let mut next = self.cause.take();
        while let Some(cause) = next {
            next = match cause.downcast::<ExecError>() {
                Ok(mut error) => error.0.cause.as_mut().and_then(|cause| cause.cause.take()),
                Err(cause) => cause
                    .downcast::<FuncError>()
                    .ok()
                    .and_then(|mut error| error.cause.take()),
            };
        }
    }
}

impl StdError for FuncError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<String> for FuncError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for FuncError {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

/// Passes an inner execution's error through with its own text, as Helm's `include` does.
impl From<ExecError> for FuncError {
    fn from(error: ExecError) -> Self {
        Self::wrap("", error)
    }
}

impl From<ParseError> for FuncError {
    fn from(error: ParseError) -> Self {
        Self::wrap("", error)
    }
}

/// Where in a template an execution stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The name of the template text that the node was parsed from.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 0.
    pub column: usize,
    /// The name of the template being executed.
    pub template: String,
    /// The source of the node, printed back.
    pub context: String,
}

/// An execution that failed.
///
/// Its text is Go's: `template: FILE:LINE:COLUMN: executing "TEMPLATE" at <CONTEXT>: MESSAGE`. If
/// it came out of a function, [`std::error::Error::source`] gives the function's own error, and
/// so on down a chain of includes.
#[derive(Debug)]
pub struct ExecError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    location: Option<Location>,
    /// What comes before the text of the cause.
    message: String,
    cause: Option<FuncError>,
    limit: bool,
}

impl ExecError {
    /// Makes an error without a place in a template, such as a template that does not exist.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            location: None,
            message: message.into(),
            cause: None,
            limit: false,
        }))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            location: None,
            message: message.into(),
            cause: None,
            limit: true,
        }))
    }

    /// Makes an error at a place in a template; its text ends with that of the cause.
    ///
    /// A used-up limit is told where it was met, and not by all that was under way: it may have been a deep recursion.
    pub(crate) fn at(location: Location, message: String, mut cause: Option<FuncError>) -> Self {
        let limit = cause.as_ref().is_some_and(FuncError::is_limit);
        if limit && let Some(outer) = &mut cause {
            match outer
                .cause
                .take()
                .map(<dyn StdError + Send + Sync>::downcast::<Self>)
            {
                Some(Ok(inner)) if inner.location().is_some() => return *inner,
                Some(Ok(inner)) => outer.cause = Some(inner),
                Some(Err(other)) => outer.cause = Some(other),
                None => {}
            }
        }
        Self(Box::new(Inner {
            location: Some(location),
            message,
            cause,
            limit,
        }))
    }

    /// Returns the place, if the error has one.
    pub fn location(&self) -> Option<&Location> {
        self.0.location.as_ref()
    }

    /// Returns the text behind the place.
    pub fn message(&self) -> String {
        self.0.to_string()
    }

    /// Returns whether a limit of the execution was used up.
    pub fn is_limit(&self) -> bool {
        self.0.limit
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location {
            file,
            line,
            column,
            template,
            context,
        }) = self.location()
        {
            let template = go_std::quote(template.as_bytes());
            write!(
                f,
                "template: {file}:{line}:{column}: executing {template} at <{context}>: "
            )?;
        }
        self.0.fmt(f)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, "{cause}"))
    }
}

impl StdError for ExecError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .cause
            .as_ref()
            .map(|cause| cause as &(dyn StdError + 'static))
    }
}

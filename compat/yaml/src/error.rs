//! Errors with the texts that the Go libraries print.

use std::fmt;

/// An error whose text is the one the Go library would have printed.
///
/// `Display` gives the whole Go text, prefix included, for example
/// `yaml: line 3: mapping values are not allowed in this context`. Scripts, conditions and events match on these
/// texts, so they are part of the interface; [`Error::line`] gives the number alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    repr: Box<Repr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Repr {
    kind: ErrorKind,
    line: Option<u32>,
    text: String,
}

/// The stage that refused the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Bytes, tokens or grammar: the text is not YAML as Go understands it.
    Syntax,
    /// The YAML is well formed but does not make the wanted value (unknown anchor, bad key, wrong type, duplicates).
    Decode,
    /// The value cannot be written (NaN in JSON, a key that JSON does not allow).
    Encode,
    /// The encoding/json stage refused the value (a type mismatch, an unknown field in strict mode).
    Json,
    /// One of our own [`Limits`](crate::Limits) was exceeded.
    Limit,
}

impl Error {
    /// A `yaml: [line N: ]problem` error of the scanner or the parser.
    pub(crate) fn syntax(line: Option<u32>, problem: &str) -> Self {
        let text = match line {
            Some(line) => format!("yaml: line {line}: {problem}"),
            None => format!("yaml: {problem}"),
        };
        Self::new(ErrorKind::Syntax, line, text)
    }

    /// A `yaml: problem` error of the decoder.
    pub(crate) fn decode(problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Decode, None, format!("yaml: {problem}"))
    }

    /// The `yaml: unmarshal errors:` list of (already formatted) lines.
    pub(crate) fn unmarshal_errors(lines: &[String]) -> Self {
        let mut text = String::from("yaml: unmarshal errors:");
        for line in lines {
            text.push_str("\n  ");
            text.push_str(line);
        }
        Self::new(ErrorKind::Decode, None, text)
    }

    pub(crate) fn json(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Json, None, text.into())
    }

    pub(crate) fn encode(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Encode, None, text.into())
    }

    pub(crate) fn limit(text: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, None, text.into())
    }

    pub(crate) fn new(kind: ErrorKind, line: Option<u32>, text: String) -> Self {
        Self {
            repr: Box::new(Repr { kind, line, text }),
        }
    }

    /// Puts `prefix` before the text and keeps kind and line.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.repr.text.insert_str(0, prefix);
        self
    }

    /// The stage that refused the input.
    pub fn kind(&self) -> ErrorKind {
        self.repr.kind
    }

    /// The line that Go names in the text, by its own counting rules, if it names one.
    pub fn line(&self) -> Option<u32> {
        self.repr.line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr.text)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::json(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::encode(message.to_string())
    }
}

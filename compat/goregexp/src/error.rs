use std::fmt;

/// Why a pattern was refused, in the words of Go's `regexp/syntax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// `[b-a]`, `[[:foo:]]`, `\p{Foo}`.
    InvalidCharRange,
    /// `\Z`, `\8`.
    InvalidEscape,
    /// `(?P<n>` without a closing angle bracket, or a name with other characters than letters, digits and `_`.
    InvalidNamedCapture,
    /// `(?!`, `(?=` and other Perl extensions.
    InvalidPerlOp,
    /// `a**`.
    InvalidRepeatOp,
    /// `a{1001}`, `a{2,1}`.
    InvalidRepeatSize,
    /// The pattern is not UTF-8.
    InvalidUtf8,
    /// `[a`.
    MissingBracket,
    /// `(a`.
    MissingParen,
    /// `*a`.
    MissingRepeatArgument,
    /// A lone backslash at the end.
    TrailingBackslash,
    /// `a)`.
    UnexpectedParen,
    /// Deeper than [`crate::Limits::depth`].
    NestingDepth,
    /// Larger than [`crate::Limits::pattern_bytes`] or [`crate::Limits::compiled_bytes`] allow.
    Large,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::InvalidCharRange => "invalid character class range",
            Self::InvalidEscape => "invalid escape sequence",
            Self::InvalidNamedCapture => "invalid named capture",
            Self::InvalidPerlOp => "invalid or unsupported Perl syntax",
            Self::InvalidRepeatOp => "invalid nested repetition operator",
            Self::InvalidRepeatSize => "invalid repeat count",
            Self::InvalidUtf8 => "invalid UTF-8",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::MissingRepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::NestingDepth => "expression nests too deeply",
            Self::Large => "expression too large",
        }
    }
}

/// A pattern that Go's `regexp` would not compile; it displays as Go prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    part: Vec<u8>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, part: &[u8]) -> Self {
        Self {
            kind,
            part: part.to_vec(),
        }
    }

    /// What is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The offending part of the pattern, which may be invalid UTF-8.
    pub fn part(&self) -> &[u8] {
        &self.part
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "error parsing regexp: {}: `{}`",
            self.kind.text(),
            String::from_utf8_lossy(&self.part)
        )
    }
}

impl std::error::Error for Error {}

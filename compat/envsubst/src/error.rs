//! Why a substitution fails.

use std::fmt;

/// Why a text cannot be substituted; the texts are those of Flux, and never hold a variable's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A variable's name has characters that a shell variable cannot have.
    InvalidName(String),
    /// A variable that must be set is not, in strict mode.
    NotSet(String),
    /// A `${` is not followed by a name.
    VariableName,
    /// A `}` is missing after a plain variable.
    MissingClosingBrace,
    /// An argument is missing or not finished.
    Argument,
    /// Anything else is not as it should be between `${` and `}`.
    BadSubstitution,
    /// A byte offset lies within a character.
    SplitsCharacter(String),
    /// Variables are nested in arguments of variables too deeply.
    TooDeep(usize),
    /// The result would be too large.
    TooLarge(usize),
    /// Matching the globs takes too many steps.
    TooManySteps(u64),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::InvalidName(name) = self {
            return write!(
                f,
                "'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'"
            );
        }
        f.write_str("variable substitution failed: ")?;
        match self {
            Self::InvalidName(_) => Ok(()),
            Self::NotSet(name) => write!(f, "variable not set (strict mode): \"{name}\""),
            Self::VariableName => f.write_str("unable to parse variable name"),
            Self::MissingClosingBrace => f.write_str("missing closing brace"),
            Self::Argument => f.write_str("unable to parse substitution within function"),
            Self::BadSubstitution => f.write_str("bad substitution"),
            Self::SplitsCharacter(name) => {
                write!(
                    f,
                    "the offset or length for \"{name}\" lies within a character; offsets count bytes"
                )
            }
            Self::TooDeep(limit) => write!(f, "variables are nested deeper than {limit} levels"),
            Self::TooLarge(limit) => write!(f, "the result is larger than {limit} bytes"),
            Self::TooManySteps(limit) => write!(f, "matching patterns takes more than {limit} steps"),
        }
    }
}

//! What a build says besides its result.

/// Something a build has to say besides its result; the command prints it to stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A line that is printed as it is: the use of a deprecated field.
    Warning(String),
    /// A line that is logged with a time stamp before it.
    Log(String),
}

//! Why a signature does not count.

/// Why keys cannot be read, or a signature does not count; the words are those that Helm's users know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Something is not as OpenPGP wants it.
    #[error("openpgp: invalid data: {0}")]
    Structure(String),
    /// Something is of a kind that nobody here knows.
    #[error("openpgp: unsupported feature: {0}")]
    Unsupported(String),
    /// What is read ends too early.
    #[error("unexpected EOF")]
    Truncated,
    /// The signature is not that of the key.
    #[error("openpgp: invalid signature: {0}")]
    Signature(String),
    /// The signature is of another kind than the key.
    #[error("openpgp: invalid argument: {0}")]
    Argument(&'static str),
    /// A digest that others can forge.
    #[error("openpgp: weak algorithms are rejected: {0}")]
    Weak(&'static str),
    /// No key of the ring has made the signature.
    #[error("openpgp: signature made by unknown entity")]
    UnknownIssuer,
    /// The key was revoked.
    #[error("openpgp: signature made by revoked key")]
    Revoked,
    /// The key has expired.
    #[error("openpgp: key expired")]
    KeyExpired,
    /// The signature has expired, or is of the future.
    #[error("openpgp: signature expired")]
    SignatureExpired,
}

impl VerifyError {
    pub(crate) fn structure(what: impl Into<String>) -> Self {
        Self::Structure(what.into())
    }
}

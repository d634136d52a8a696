//! Why a file cannot be loaded, decrypted or printed, in the words of sops.

/// Why a file cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is not what its format asks for.
    #[error("{0}")]
    Syntax(String),
    /// The file is not encrypted by SOPS.
    #[error("sops metadata not found")]
    MetadataNotFound,
    /// The block of SOPS in the file cannot be read.
    #[error("{0}")]
    Metadata(String),
    /// The file is larger than is allowed.
    #[error("the file has more than {allowed} {what}")]
    Limit {
        /// What it has too many of.
        what: &'static str,
        /// How many it may have.
        allowed: usize,
    },
}

/// Why a file cannot be decrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Error walking tree: {0}")]
pub struct DecryptError(pub(crate) WalkError);

/// What stopped the walk through a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("Tree contains a non-string key (type {kind}): {text}. Only string keys are supported")]
    Key { kind: &'static str, text: String },
    #[error("Cannot walk value, unknown type: {0}")]
    Type(&'static str),
    #[error("Expected encrypted value as string, but got {0}")]
    NotAString(&'static str),
    #[error("Could not decrypt value: {0}")]
    Cipher(#[from] CipherError),
    #[error("walkValue of Comment should be either Comment or string, was {0}")]
    Comment(&'static str),
}

/// Why a value cannot be decrypted. The value itself is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CipherError {
    #[error("Input string <redacted> does not match sops' data format")]
    Format,
    #[error("Error base64-decoding {part}: illegal base64 data at input byte {at}")]
    Base64 { part: &'static str, at: usize },
    #[error("crypto/aes: invalid key size {0}")]
    KeySize(usize),
    #[error("an initialization vector of {0} bytes is not supported, only 32 and 12")]
    VectorSize(usize),
    #[error("Could not decrypt with AES_GCM: cipher: message authentication failed")]
    Authentication,
    #[error("the text of a value of type {0} is not one")]
    Text(&'static str),
    #[error("Unknown datatype: {0}")]
    Datatype(String),
}

/// Why a tree cannot be printed in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// YAML.
    #[error("Error marshaling to YAML: {0}")]
    Yaml(String),
    /// JSON.
    #[error("Error marshaling to json: {0}")]
    Json(String),
    /// INI.
    #[error("Error marshaling to INI: {0}")]
    Ini(String),
    /// Lists and objects have no place in a dotenv file.
    #[error("cannot use complex value in dotenv file; offending key {0}")]
    Dotenv(String),
    /// Only a tree with one text in it is a binary file.
    #[error("error emitting binary store: {0}")]
    Binary(&'static str),
    /// A text is no text in this format.
    #[error("a key or value of the file is not UTF-8")]
    NotUtf8,
}

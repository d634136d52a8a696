//! What goes wrong with records, in Helm's words.

use controller_kit::RestError;
use helm::release::{DecodeError, EncodeError};

/// Records that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no such record.
    #[error("release: not found")]
    NotFound,
    /// A record that was to be created exists.
    #[error("release: already exists")]
    AlreadyExists,
    /// There are records of the release, and none of them is of a release that is deployed.
    #[error("{} has no deployed releases", quote(.0))]
    NoneDeployed(String),
    /// There are records, and none of them can be read.
    #[error("no revision for release {}: {secret} is damaged: {error}", quote(.name))]
    Damaged {
        /// The release.
        name: String,
        /// The Secret of the newest of them.
        secret: String,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// The name of a release cannot be the value of a label.
    #[error(
        "invalid label value: {}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        quote(.0)
    )]
    Name(String),
    /// The records could not be listed.
    #[error("query: failed to query with labels: {0}")]
    Query(#[source] RestError),
    /// A record could not be read.
    #[error("get: failed to get {}: {error}", quote(.secret))]
    Get {
        /// The Secret.
        secret: String,
        /// What the API server says.
        error: RestError,
    },
    /// A record is damaged.
    #[error("get: failed to decode data {}: {error}", quote(.secret))]
    Decode {
        /// The Secret.
        secret: String,
        /// What is wrong.
        error: DecodeError,
    },
    /// A record cannot be written as JSON.
    #[error("{action}: failed to encode release {}: {error}", quote(.name))]
    Encode {
        /// `create` or `update`.
        action: &'static str,
        /// The release.
        name: String,
        /// What is wrong.
        error: EncodeError,
    },
    /// A record could not be created.
    #[error("create: failed to create: {0}")]
    Create(#[source] RestError),
    /// A record could not be replaced.
    #[error("update: failed to update: {0}")]
    Update(#[source] RestError),
    /// A record that was written here has been written by somebody else since, who goes on with the release.
    #[error("update: {} has been changed by somebody else since it was written", quote(.0))]
    Changed(String),
    /// Nothing is written any more, as the release is somebody else's to go on with.
    #[error("the object of the release is another controller's by now")]
    HandedOver,
    /// A record could not be deleted.
    #[error("{0}")]
    Delete(#[source] RestError),
    /// Several old records could not be deleted.
    #[error("encountered {count} deletion errors. First is: {first}")]
    Prune {
        /// How many.
        count: usize,
        /// What is wrong with the first.
        first: Box<StorageError>,
    },
}

fn quote(text: &str) -> String {
    gotmpl::quote(text.as_bytes())
}

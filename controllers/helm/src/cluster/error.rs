//! Why objects could not be applied or deleted, in Helm's words.

use controller_kit::RestError;

/// An object that could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody else owns a field.
    #[error("conflict occurred while applying object {object}: {error}")]
    Conflict {
        /// The object.
        object: String,
        /// Who.
        error: RestError,
    },
    /// The API server refused to apply it.
    #[error("server-side apply failed for object {object}: {error}")]
    Apply {
        /// The object.
        object: String,
        /// Why.
        error: RestError,
    },
    /// The API server does not know server-side apply.
    #[error("server-side apply not available on the server: {0}")]
    NotAvailable(#[source] RestError),
    /// The API server refused to create or delete it.
    #[error("{0}")]
    Refused(#[source] RestError),
    /// Whether it exists is not known.
    #[error("could not get information about the resource: {0}")]
    Look(#[source] RestError),
    /// It did not exist and could not be created.
    #[error("failed to create resource: {0}")]
    Create(#[source] Box<ApplyError>),
    /// It could not be replaced.
    #[error("failed to replace object: {0}")]
    Replace(#[source] RestError),
    /// What it is and what it is to be cannot be compared.
    #[error("failed to create patch: {0}")]
    Merge(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it is could not be read.
    #[error("failed to create patch: unable to get data for current object {object}: {error}")]
    Live {
        /// Its namespace and name.
        object: String,
        /// Why.
        error: RestError,
    },
    /// It could not be changed.
    #[error("cannot patch {} with kind {kind}: {error}", gotmpl::quote(.name.as_bytes()))]
    Patch {
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
        /// Why.
        error: RestError,
    },
    /// It could not be read.
    #[error("failed to get object {object}: {error}")]
    Get {
        /// The object.
        object: String,
        /// Why.
        error: RestError,
    },
    /// Fields that were written could not be made ones that are applied.
    #[error("failed to patch object to upgrade CSA field manager {object}: {error}")]
    Managers {
        /// The object.
        object: String,
        /// Why.
        error: RestError,
    },
    /// It is not wanted any more and could not be deleted.
    #[error("failed to delete resource namespace={namespace}, name={name}, kind={kind}: {error}")]
    Delete {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its kind.
        kind: String,
        /// Why.
        error: RestError,
    },
    /// There was nothing to create.
    #[error("no objects visited")]
    Nothing,
    /// There was nothing to delete.
    #[error("object not found, skipping delete: no objects visited")]
    NothingToDelete,
    /// All of these.
    #[error("{}", join(.errors, .separator))]
    Several {
        /// The errors.
        errors: Vec<ApplyError>,
        /// What stands between them.
        separator: &'static str,
    },
}

fn join(errors: &[ApplyError], separator: &str) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join(separator)
}

impl ApplyError {
    /// What the API server has answered, if that is all there is to say.
    pub(crate) fn answer(&self) -> Option<&RestError> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// Gives several errors as one; nothing if there are none.
    pub(crate) fn join(mut errors: Vec<Self>, separator: &'static str) -> Option<Self> {
        match errors.len() {
            0 => None,
            1 => errors.pop(),
            _ => Some(Self::Several { errors, separator }),
        }
    }
}

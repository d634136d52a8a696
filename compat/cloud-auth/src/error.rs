//! What can be wrong, in the words of Flux. Nothing of a credential is told.

use crate::wire::NetworkError;

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A server could not be asked.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// A server answered with an error.
    #[error("{what}: status {status}: {message}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The status of HTTP.
        status: u16,
        /// What the server says about it.
        message: String,
    },
    /// A server answered with something else than was asked for.
    #[error("{0}: the answer of the server cannot be read")]
    Answer(&'static str),
    /// What was configured is not right.
    #[error("{0}")]
    Configuration(String),
}

impl AuthError {
    pub(crate) fn configuration(text: impl Into<String>) -> Self {
        Self::Configuration(text.into())
    }
}

/// Why an identity has no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The service account could not be read.
    #[error("failed to get service account '{account}': {why}")]
    Account {
        /// Namespace and name.
        account: String,
        /// What the API server answered.
        why: String,
        /// Whether there is none, although the object names it.
        is_not_found: bool,
    },
    /// It is not known whom tokens of the account have to be for.
    #[error("failed to get provider audience: {0}")]
    Audience(AuthError),
    /// The service account says nothing that the provider understands.
    #[error("failed to get provider identity from service account '{account}' annotations: {why}")]
    Annotations {
        /// Namespace and name.
        account: String,
        /// What is wrong.
        why: AuthError,
    },
    /// Tokens for service accounts of objects are not switched on.
    #[error("ObjectLevelWorkloadIdentity feature gate is not enabled")]
    Gate,
    /// The cluster gave no token for the service account.
    #[error("failed to create kubernetes token for service account '{account}': {why}")]
    Kubernetes {
        /// Namespace and name.
        account: String,
        /// What the API server answered.
        why: String,
    },
    /// The provider gave no token for the service account.
    #[error("failed to create provider access token for service account '{account}': {why}")]
    Exchange {
        /// Namespace and name.
        account: String,
        /// What is wrong.
        why: AuthError,
    },
    /// The provider gave no token for the controller.
    #[error("failed to create provider access token for the controller: {0}")]
    Controller(AuthError),
}

/// Why there is no way to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WayError {
    /// The provider is none.
    #[error("provider '{0}' not implemented")]
    Provider(String),
    /// There is no token to go there with.
    #[error("failed to get access token for cluster: {0}")]
    Token(#[from] IdentityError),
    /// The cluster is not where it is said to be.
    #[error("{0}")]
    Cluster(#[from] AuthError),
}

impl WayError {
    /// Tells whether something that is named does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Token(IdentityError::Account {
                is_not_found: true,
                ..
            })
        )
    }
}

//! What can be wrong with a kubeconfig.

/// A kubeconfig that cannot be used, in client-go's words where it has any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// It is something else than an object.
    #[error(
        "couldn't get version/kind; json parse error: json: cannot unmarshal {0} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
    )]
    NotAnObject(&'static str),
    /// A field has a value that it cannot have.
    #[error("the kubeconfig cannot be read: {0}")]
    Shape(String),
    /// It is an object of another kind.
    #[error("no kind {kind:?} is registered for version {version:?}, a kubeconfig is a Config of version v1")]
    Kind {
        /// Its kind.
        kind: String,
        /// Its version.
        version: String,
    },
    /// A name stands for two things.
    #[error("the kubeconfig has {name:?} twice in its list of {list}")]
    Twice {
        /// The list.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// It refers to a file, which would be one of the controller's.
    #[error("{0}")]
    File(String),
    /// Its current context cannot be used.
    #[error("invalid configuration: {0}")]
    Unusable(String),
    /// The address of its API server is none.
    #[error("{0}")]
    Address(String),
    /// Its certificates are none.
    #[error("unable to load root certificates: unable to parse bytes as PEM block")]
    Authorities,
    /// It names certificates and forbids to look at any.
    #[error("specifying a root certificates file with the insecure flag is not allowed")]
    AuthoritiesForNothing,
    /// Nothing but a command says who asks, and commands are not permitted.
    #[error(
        "user {0:?} has no credentials but an exec plugin, which is only run with --insecure-kubeconfig-exec; use a token or a client certificate"
    )]
    Exec(String),
    /// Nothing but an authentication provider says who asks.
    #[error(
        "user {0:?} has no credentials but an auth-provider, which is not supported; use a token or a client certificate"
    )]
    AuthProvider(String),
}

//! Why a command did not do what it was asked for.

use crate::transformation::FilesError;

/// What went wrong, and with it the exit code: that of something not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The command line asks for what there is not.
    #[error("{0}")]
    Usage(String),
    /// The kubeconfig cannot be used.
    #[error(
        "cannot read the kubeconfig: {0}. kubectl config get-contexts shows what there is; --kubeconfig and --context choose"
    )]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no kubeconfig was found (--kubeconfig, KUBECONFIG, ~/.kube/config), and this is not a pod of a cluster: {0}"
    )]
    NoCluster(#[from] kube::config::InClusterError),
    /// The API server does not answer as it should.
    #[error("{what}: {}{}", describe(error), remedy(error))]
    Api {
        /// What was asked for.
        what: String,
        /// Why there is no answer.
        error: Box<kube::Error>,
    },
    /// Something that is needed could not be read.
    #[error("cannot read {0}")]
    Unread(String),
    /// Our controller cannot be asked.
    #[error(
        "cannot ask our controller what it would change: {0}. Without kubectl: forward port 9292 of its pod, and say --shadow-url=http://127.0.0.1:9292"
    )]
    Controller(String),
    /// What is asked for cannot be made.
    #[error("{0}")]
    Build(String),
    /// An object is not there.
    #[error("{0}")]
    NotFound(String),
    /// The result cannot be printed.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
    /// Files on this machine cannot be used.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The result has no form as a document.
    #[error("cannot print the result: {0}")]
    Document(String),
}

impl CommandError {
    /// Says what was asked for when the API server did not answer as it should.
    pub(crate) fn api(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |error| Self::Api {
            what,
            error: Box::new(error),
        }
    }

    /// Returns the exit code: 2, nothing was done.
    pub const fn exit_code(&self) -> u8 {
        2
    }
}

/// What to do about it, behind what the API server said; nothing if that says it.
pub(crate) fn remedy(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            ". Ask for that right, or use another --context or --as; openflux explain D102 says more"
        }
        kube::Error::Api(status) if status.code == 401 => {
            ". The cluster does not know who you are: log in again, or use another --context"
        }
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            ". Is this the right cluster, and does it answer? kubectl cluster-info asks it; --context chooses another"
        }
        _ => "",
    }
}

/// What the API server said, or why it said nothing.
pub(crate) fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(source) = cause {
                let said = source.to_string();
                if !text.contains(&said) {
                    text.push_str(": ");
                    text.push_str(&said);
                }
                cause = source.source();
            }
            text
        }
    }
}

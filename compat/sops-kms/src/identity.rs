//! As whom services are asked, where a Secret has no credentials for them.

use std::fmt;
use std::pin::Pin;

use zeroize::Zeroizing;

/// What access is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants<'w> {
    /// Services of AWS in a region.
    Aws {
        /// The region.
        region: &'w str,
    },
    /// Services of Azure.
    Azure {
        /// The scope.
        scope: &'w str,
    },
    /// Services of Google.
    Gcp,
    /// Somebody who takes tokens of the cluster.
    Cluster {
        /// Whom it is for.
        audience: &'w str,
    },
}

/// What proves who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// A token that is put into requests.
    Bearer(Zeroizing<String>),
    /// Credentials that sign requests to AWS.
    Aws {
        /// Which key it is.
        id: String,
        /// The key.
        secret: Zeroizing<String>,
        /// A token that belongs to it; may be empty.
        session: Zeroizing<String>,
    },
}

/// It is not for logs.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(..)")
    }
}

/// A future of [`Identities`].
pub type Granted<'i> = Pin<Box<dyn Future<Output = Result<Access, String>> + Send + 'i>>;

/// The service account of an object, or the process itself.
pub trait Identities: Send + Sync {
    /// Gets access; an error is the text that is told to people.
    fn access<'i>(&'i self, wants: Wants<'i>) -> Granted<'i>;
}

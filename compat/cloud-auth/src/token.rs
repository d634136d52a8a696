//! What providers give, and what it is good for.

use std::fmt;

use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::error::AuthError;

/// A token that is put into requests, wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token.
    pub token: Zeroizing<String>,
    /// When it ends, if that is known.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(.., expires {:?})", self.expires)
    }
}

/// The way to a cluster, as long as it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct Way {
    /// URL of the API server.
    pub server: String,
    /// Its certificates, in PEM; empty for the system's.
    pub authorities: String,
    /// The token to show.
    pub token: AccessToken,
}

/// The token is not for logs.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Way({}, {:?})", self.server, self.token)
    }
}

impl Way {
    /// Confirms that the address is safe to show a token to, and that the certificates are some.
    ///
    /// # Errors
    /// They are not.
    pub(crate) fn new(server: String, authorities: String, token: AccessToken) -> Result<Self, AuthError> {
        let server = match server.split_once("://") {
            None if server.is_empty() => {
                return Err(AuthError::configuration("the cluster has no endpoint"));
            }
            None => format!("https://{server}"),
            Some(("https", _)) => server,
            Some(_) => {
                return Err(AuthError::Configuration(format!(
                    "the Kubernetes API server address '{server}' must use https scheme"
                )));
            }
        };
        if !authorities.is_empty() && !kubeconfig::has_certificates(authorities.as_bytes()) {
            return Err(AuthError::configuration(
                "unable to load root certificates: unable to parse bytes as PEM block",
            ));
        }
        Ok(Self {
            server,
            authorities,
            token,
        })
    }
}

//! Google Cloud.

mod credentials;
mod federated;
mod gke;

pub use credentials::{Credentials, process_token};
pub use federated::{Cluster, Federated};
pub(crate) use gke::find;

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{AccessToken, AuthError, Network, Reply};

/// What tokens of the controllers are for.
pub const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
];

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<i64>,
}

/// What errors are about.
const WHAT: &str = "oauth2/google";

/// Reads what the endpoint of a token service answers.
fn read(reply: &Reply, network: &dyn Network) -> Result<AccessToken, AuthError> {
    if !reply.is_success() {
        return Err(refused(reply));
    }
    let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| AuthError::Answer(WHAT))?;
    let life = answer.expires_in.map(jiff::SignedDuration::from_secs);
    Ok(AccessToken {
        token: Zeroizing::new(answer.access_token),
        expires: life.and_then(|life| network.now().checked_add(life).ok()),
    })
}

/// What a service says of a request that it refuses.
fn refused(reply: &Reply) -> AuthError {
    AuthError::Configuration(format!("{WHAT}: status code {}: {}", reply.status, reply.text()))
}

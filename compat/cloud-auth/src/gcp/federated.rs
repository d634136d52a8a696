//! Identities of other clusters, which Google trusts.

use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::credentials::metadata;
use super::{SCOPES, WHAT, read, refused};
use crate::wire::send_patiently;
use crate::{AccessToken, AuthError, Network, Request, Surroundings, Trust};

/// A token of a service account that is exchanged for one of Google.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federated<'f> {
    /// Whom the token is for: a provider or a pool of workload identities.
    pub audience: &'f str,
    /// The service account of Google that is taken on; none when empty.
    pub email: &'f str,
}

impl Federated<'_> {
    /// Gets a token.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn exchange(&self, token: &str, network: &dyn Network) -> Result<AccessToken, AuthError> {
        let own = [
            "https://www.googleapis.com/auth/cloud-platform".to_owned(),
            SCOPES.join(" "),
        ];
        // Whoever takes on another account needs no more than that for itself.
        let [impersonating, direct] = &own;
        let scope = if self.email.is_empty() {
            direct
        } else {
            impersonating
        };
        let fields = [
            ("audience", self.audience),
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("scope", scope),
            ("subject_token", token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ];
        let url = parse("https://sts.googleapis.com/v1/token")?;
        let reply = send_patiently(network, &Request::form(url, &fields, Trust::Process)).await?;
        let federated = read(&reply, network)?;
        if self.email.is_empty() {
            return Ok(federated);
        }
        self.impersonate(&federated, network).await
    }

    async fn impersonate(
        &self,
        federated: &AccessToken,
        network: &dyn Network,
    ) -> Result<AccessToken, AuthError> {
        let email = self.email;
        let url = parse(&format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
        ))?;
        let body = json!({"lifetime": "3600s", "scope": SCOPES}).to_string();
        let request = Request::post(url, "application/json", body.into_bytes(), Trust::Process)
            .with("authorization", format!("Bearer {}", federated.token.as_str()));
        let reply = send_patiently(network, &request).await?;
        if !reply.is_success() {
            return Err(refused(&reply));
        }
        let answer: serde_json::Value =
            serde_json::from_slice(&reply.body).map_err(|_| AuthError::Answer(WHAT))?;
        let text = |name: &str| answer.get(name).and_then(serde_json::Value::as_str);
        Ok(AccessToken {
            token: Zeroizing::new(text("accessToken").ok_or(AuthError::Answer(WHAT))?.to_owned()),
            expires: text("expireTime").and_then(|time| time.parse().ok()),
        })
    }
}

/// The cluster of Google that the process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    project: String,
    location: String,
    name: String,
}

impl Cluster {
    /// Asks the metadata server.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn own(network: &dyn Network, around: &dyn Surroundings) -> Result<Self, AuthError> {
        let ask = async |path: &str, what: &str| {
            let request =
                Request::get(metadata(path, around)?, Trust::Machine).with("metadata-flavor", "Google");
            let failed = |why: String| AuthError::Configuration(format!("{what}: {why}"));
            let reply = send_patiently(network, &request).await;
            let reply = reply.map_err(|error| failed(error.to_string()))?;
            match (reply.is_success(), reply.text()) {
                (true, text) if text.is_empty() => Err(failed("empty value".to_owned())),
                (true, text) => Ok(text),
                (false, text) => Err(failed(format!("status {}: {text}", reply.status))),
            }
        };
        const PROJECT: &str = "failed to get GKE cluster project ID from the metadata service";
        const LOCATION: &str = "failed to get GKE cluster location from the metadata service";
        const NAME: &str = "failed to get GKE cluster name from the metadata service";
        Ok(Self {
            project: ask("project/project-id", PROJECT).await?,
            location: ask("instance/attributes/cluster-location", LOCATION).await?,
            name: ask("instance/attributes/cluster-name", NAME).await?,
        })
    }

    /// The pool of identities that its service accounts are in.
    pub fn pool(&self) -> String {
        format!("{}.svc.id.goog", self.project)
    }

    /// Whom a token of one of its service accounts is exchanged for.
    pub fn audience(&self) -> String {
        let Self {
            project,
            location,
            name,
        } = self;
        let pool = self.pool();
        format!(
            "identitynamespace:{pool}:https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}"
        )
    }
}

fn parse(text: &str) -> Result<Url, AuthError> {
    Url::parse(text).map_err(|error| AuthError::Configuration(error.to_string()))
}

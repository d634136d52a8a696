//! Credentials that somebody wrote down, and those of the process.

use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::read;
use crate::jwt::{self, Algorithm};
use crate::wire::send_patiently;
use crate::{AccessToken, AuthError, Network, Request, Surroundings, Trust};

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The file of a service account, or of a user who was logged in.
#[derive(Clone)]
pub struct Credentials {
    kind: Kind,
    trust: Trust,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[derive(Clone)]
enum Kind {
    ServiceAccount {
        email: String,
        key_id: String,
        key: Zeroizing<String>,
        token_uri: Url,
    },
    User {
        client: String,
        secret: Zeroizing<String>,
        refresh: Zeroizing<String>,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    r#type: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
    client_id: String,
    client_secret: String,
    refresh_token: String,
}

impl Credentials {
    /// Reads a file. One that says that it comes from a Secret is of no type that reads other files, or sends tokens to an
    /// address of its own choice.
    ///
    /// # Errors
    /// It is none, or of another type.
    pub fn read(text: &[u8], trust: Trust) -> Result<Self, AuthError> {
        let file: File = serde_json::from_slice(text)
            .map_err(|error| AuthError::Configuration(format!("it is no JSON: line {}", error.line())))?;
        let kind = match file.r#type.as_str() {
            "service_account" => {
                let uri = if file.token_uri.is_empty() {
                    TOKEN_URI
                } else {
                    &file.token_uri
                };
                let token_uri = Url::parse(uri)
                    .map_err(|error| AuthError::Configuration(format!("token_uri: {error}")))?;
                // A key that cannot sign is told when it is imported.
                jwt::private_key(&file.private_key)?;
                Kind::ServiceAccount {
                    email: file.client_email,
                    key_id: file.private_key_id,
                    key: Zeroizing::new(file.private_key),
                    token_uri,
                }
            }
            "authorized_user" => Kind::User {
                client: file.client_id,
                secret: Zeroizing::new(file.client_secret),
                refresh: Zeroizing::new(file.refresh_token),
            },
            "" => return Err(AuthError::configuration("missing 'type' field in credentials")),
            other => {
                return Err(AuthError::Configuration(format!(
                    "credentials of type {other:?} are not supported, only service_account and authorized_user; use workload \
                     identity instead"
                )));
            }
        };
        Ok(Self { kind, trust })
    }

    /// Where the token is asked for, if the file says so.
    pub fn token_uri(&self) -> Option<&Url> {
        match &self.kind {
            Kind::ServiceAccount { token_uri, .. } => Some(token_uri),
            Kind::User { .. } => None,
        }
    }

    /// Gets a token for some scopes.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn token(&self, scopes: &[&str], network: &dyn Network) -> Result<AccessToken, AuthError> {
        let request = match &self.kind {
            Kind::ServiceAccount {
                email,
                key_id,
                key,
                token_uri,
            } => {
                let now = network.now().as_second();
                let claims = json!({
                    "iss": email, "scope": scopes.join(" "), "aud": token_uri.as_str(), "iat": now, "exp": now + 3600,
                });
                let header = json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
                let assertion = jwt::sign(&header, &claims, &jwt::private_key(key)?, Algorithm::Rs256)?;
                let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                Request::form(token_uri.clone(), &[("assertion", &assertion), grant], self.trust)
            }
            Kind::User {
                client,
                secret,
                refresh,
            } => {
                let url =
                    Url::parse(TOKEN_URI).map_err(|error| AuthError::Configuration(error.to_string()))?;
                let fields = [
                    ("client_id", client.as_str()),
                    ("client_secret", secret),
                    ("grant_type", "refresh_token"),
                    ("refresh_token", refresh),
                ];
                Request::form(url, &fields, Trust::Process)
            }
        };
        read(&send_patiently(network, &request).await?, network)
    }
}

/// Gets a token of the process: of the file that the environment names, of the one that gcloud leaves, or of the machine.
///
/// # Errors
/// See [`AuthError`].
pub async fn process_token(
    scopes: &[&str],
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<AccessToken, AuthError> {
    if let Some(path) = around.variable("GOOGLE_APPLICATION_CREDENTIALS") {
        let text = around.file(&path).map_err(AuthError::Configuration)?;
        let text =
            text.ok_or_else(|| AuthError::Configuration(format!("open {path}: no such file or directory")))?;
        return Credentials::read(text.as_bytes(), Trust::Process)?
            .token(scopes, network)
            .await;
    }
    if let Some(home) = around.variable("HOME") {
        let path = format!("{home}/.config/gcloud/application_default_credentials.json");
        if let Some(text) = around.file(&path).map_err(AuthError::Configuration)? {
            return Credentials::read(text.as_bytes(), Trust::Process)?
                .token(scopes, network)
                .await;
        }
    }
    let mut url = metadata("instance/service-accounts/default/token", around)?;
    url.query_pairs_mut().append_pair("scopes", &scopes.join(","));
    let request = Request::get(url, Trust::Machine).with("metadata-flavor", "Google");
    read(&send_patiently(network, &request).await?, network)
}

/// Where the metadata server has something.
pub(super) fn metadata(path: &str, around: &dyn Surroundings) -> Result<Url, AuthError> {
    let host = around
        .variable("GCE_METADATA_HOST")
        .unwrap_or_else(|| "169.254.169.254".to_owned());
    Url::parse(&format!("http://{host}/computeMetadata/v1/{path}"))
        .map_err(|error| AuthError::Configuration(format!("GCE_METADATA_HOST: {error}")))
}

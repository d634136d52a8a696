//! Tokens of Google by credentials of a Secret.

use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::jwt::{self, Algorithm};
use crate::wire::send_patiently;
use crate::{AuthError, Network, Request, Trust};

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The file of a service account, or of a user who was logged in.
#[derive(Clone)]
pub(crate) struct Credentials {
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

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl Credentials {
    /// Reads a file. One that says that it comes from a Secret is of no type that reads other files, or sends tokens to an
    /// address of its own choice.
    ///
    /// # Errors
    /// It is none, or of another type.
    pub(crate) fn read(text: &[u8], trust: Trust) -> Result<Self, AuthError> {
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
                     identity (spec.decryption.serviceAccountName) instead"
                )));
            }
        };
        Ok(Self { kind, trust })
    }

    /// Where the token is asked for, if the file says so.
    pub(crate) fn token_uri(&self) -> Option<&Url> {
        match &self.kind {
            Kind::ServiceAccount { token_uri, .. } => Some(token_uri),
            Kind::User { .. } => None,
        }
    }

    /// Gets a token for some scopes.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub(crate) async fn token(
        &self,
        scopes: &[&str],
        network: &dyn Network,
    ) -> Result<Zeroizing<String>, AuthError> {
        const WHAT: &str = "oauth2: cannot fetch token";
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
        let reply = send_patiently(network, &request).await?;
        if !reply.is_success() {
            return Err(AuthError::Refused {
                what: WHAT,
                status: reply.status,
                message: reply.text(),
            });
        }
        let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| AuthError::Answer(WHAT))?;
        Ok(Zeroizing::new(answer.access_token))
    }
}

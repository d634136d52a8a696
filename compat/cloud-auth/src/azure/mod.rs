//! Microsoft Azure.

mod aks;
mod manager;

pub(crate) use aks::find;
pub(crate) use manager::Manager;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::jwt::{self, Algorithm};
use crate::wire::send_patiently;
use crate::{AccessToken, AuthError, Network, Reply, Request, Surroundings, Trust};

/// Where applications of the public cloud get their tokens.
pub const PUBLIC: &str = "https://login.microsoftonline.com/";

/// An application that asks for tokens.
#[derive(Clone)]
pub struct Application {
    /// Where it asks.
    pub authority: Url,
    /// Who says so.
    pub trust: Trust,
    /// The tenant that it lives in.
    pub tenant: String,
    /// Its name.
    pub client: String,
    /// How it proves who it is.
    pub proof: Proof,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Application({}/{})", self.tenant, self.client)
    }
}

/// How an application proves who it is.
#[derive(Clone)]
pub enum Proof {
    /// By something that only it knows.
    Secret(Zeroizing<String>),
    /// By a certificate and its key, in PEM.
    Certificate {
        /// Both.
        pem: Zeroizing<String>,
        /// Whether the certificate is sent.
        send_chain: bool,
    },
    /// By a token of somebody that the application trusts.
    Assertion(Zeroizing<String>),
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<serde_json::Value>,
}

impl Application {
    /// Gets a token for a scope.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn token(&self, scope: &str, network: &dyn Network) -> Result<AccessToken, AuthError> {
        let url = self.token_url()?;
        let assertion = match &self.proof {
            Proof::Secret(_) => Zeroizing::new(String::new()),
            Proof::Assertion(token) => token.clone(),
            Proof::Certificate { pem, send_chain } => {
                Zeroizing::new(self.signed(pem, *send_chain, &url, network)?)
            }
        };
        let mut fields = vec![("client_id", self.client.as_str())];
        if let Proof::Secret(secret) = &self.proof {
            fields.push(("client_secret", secret));
        } else {
            fields.push(("client_assertion", &assertion));
            fields.push((
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ));
        }
        let scope = format!("{scope} openid offline_access profile");
        fields.push(("client_info", "1"));
        fields.push(("grant_type", "client_credentials"));
        fields.push(("scope", &scope));
        let reply = send_patiently(network, &Request::form(url, &fields, self.trust)).await?;
        read(&reply, network)
    }

    fn token_url(&self) -> Result<Url, AuthError> {
        let is_name = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if !is_name(&self.tenant) {
            return Err(AuthError::configuration(
                "invalid tenantID. You can locate your tenantID by following the instructions listed here: \
                 https://learn.microsoft.com/partner-center/find-ids-and-domain-names",
            ));
        }
        if self.authority.scheme() != "https" {
            return Err(AuthError::configuration(
                "cannot use an authority host without https",
            ));
        }
        let path = format!("/{}/oauth2/v2.0/token", self.tenant);
        self.authority
            .join(&path)
            .map_err(|error| AuthError::Configuration(error.to_string()))
    }

    /// Says who the application is, signed by the key of its certificate.
    fn signed(
        &self,
        pem: &str,
        send_chain: bool,
        url: &Url,
        network: &dyn Network,
    ) -> Result<String, AuthError> {
        let key = jwt::private_key(pem)?;
        let blocks = jwt::pem(pem);
        let certificates: Vec<_> = blocks.iter().filter(|(kind, _)| *kind == "CERTIFICATE").collect();
        let Some((_, first)) = certificates.first() else {
            return Err(AuthError::configuration("found no certificate"));
        };
        let mut header = json!({
            "alg": "PS256", "typ": "JWT", "x5t#S256": STANDARD.encode(Sha256::digest(first.as_slice())),
        });
        if send_chain {
            header["x5c"] = certificates
                .iter()
                .map(|(_, bytes)| STANDARD.encode(bytes.as_slice()))
                .collect();
        }
        let now = network.now();
        let claims = json!({
            "aud": url.as_str(), "exp": now.as_second() + 600, "iss": self.client, "nbf": now.as_second(),
            "jti": format!("{:x}", now.as_nanosecond()), "sub": self.client,
        });
        jwt::sign(&header, &claims, &key, Algorithm::Ps256)
    }
}

/// Gets a token of the identity that the machine has, or of another one that is assigned to it.
///
/// # Errors
/// See [`AuthError`].
pub async fn managed_identity(
    client: Option<&str>,
    scope: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<AccessToken, AuthError> {
    let resource = scope.strip_suffix("/.default").unwrap_or(scope);
    let base = around
        .variable("AZURE_POD_IDENTITY_AUTHORITY_HOST")
        .unwrap_or_else(|| "http://169.254.169.254".to_owned());
    let base = base.trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}/metadata/identity/oauth2/token"))
        .map_err(|error| AuthError::Configuration(error.to_string()))?;
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("api-version", "2018-02-01");
        if let Some(client) = client {
            query.append_pair("client_id", client);
        }
        query.append_pair("resource", resource);
    }
    let request = Request::get(url, Trust::Process).with("metadata", "true");
    read(&send_patiently(network, &request).await?, network)
}

/// Gets a token of the process: of an application that the environment names, of its service account, or of its machine.
///
/// # Errors
/// See [`AuthError`].
pub async fn process_token(
    scope: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<AccessToken, AuthError> {
    let client = around.variable("AZURE_CLIENT_ID");
    let tenant = around.variable("AZURE_TENANT_ID");
    if let (Some(client), Some(tenant)) = (&client, &tenant) {
        let proof = if let Some(secret) = around.variable("AZURE_CLIENT_SECRET") {
            Some(Proof::Secret(Zeroizing::new(secret)))
        } else if let Some(path) = around.variable("AZURE_CLIENT_CERTIFICATE_PATH") {
            let pem = Zeroizing::new(file(&path, around)?);
            let send_chain = false;
            Some(Proof::Certificate { pem, send_chain })
        } else if let Some(path) = around.variable("AZURE_FEDERATED_TOKEN_FILE") {
            Some(Proof::Assertion(Zeroizing::new(file(&path, around)?)))
        } else {
            None
        };
        if let Some(proof) = proof {
            let application = Application {
                authority: authority(around)?,
                trust: Trust::Process,
                tenant: tenant.clone(),
                client: client.clone(),
                proof,
            };
            return application.token(scope, network).await;
        }
    }
    managed_identity(client.as_deref(), scope, network, around).await
}

/// Where applications get their tokens, unless the environment says otherwise.
///
/// # Errors
/// What the environment says is no URL.
pub fn authority(around: &dyn Surroundings) -> Result<Url, AuthError> {
    let text = around.variable("AZURE_AUTHORITY_HOST");
    let text = text.unwrap_or_else(|| PUBLIC.to_owned());
    Url::parse(&text).map_err(|error| AuthError::Configuration(format!("AZURE_AUTHORITY_HOST: {error}")))
}

fn file(path: &str, around: &dyn Surroundings) -> Result<String, AuthError> {
    let text = around.file(path).map_err(AuthError::Configuration)?;
    text.ok_or_else(|| AuthError::Configuration(format!("open {path}: no such file or directory")))
}

fn read(reply: &Reply, network: &dyn Network) -> Result<AccessToken, AuthError> {
    const WHAT: &str = "authentication failed";
    if !reply.is_success() {
        // It names the application and the reason, and no secret.
        return Err(AuthError::Refused {
            what: WHAT,
            status: reply.status,
            message: reply.text(),
        });
    }
    let answer: Answer = serde_json::from_slice(&reply.body).map_err(|_| AuthError::Answer(WHAT))?;
    // The machine's own service gives it as a text.
    let seconds = answer.expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    });
    let life = seconds.map(jiff::SignedDuration::from_secs);
    Ok(AccessToken {
        token: Zeroizing::new(answer.access_token),
        expires: life.and_then(|life| network.now().checked_add(life).ok()),
    })
}

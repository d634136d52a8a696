//! Tokens of Azure by credentials of a Secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use crate::jwt::{self, Algorithm};
use crate::wire::send_patiently;
use crate::{AuthError, Network, Reply, Request, Surroundings, Trust};

/// Where applications of the public cloud get their tokens.
pub(crate) const PUBLIC: &str = "https://login.microsoftonline.com/";

/// An application that asks for tokens.
#[derive(Clone)]
pub(crate) struct Application {
    /// Where it asks.
    pub(crate) authority: Url,
    /// Who says so.
    pub(crate) trust: Trust,
    /// The tenant that it lives in.
    pub(crate) tenant: String,
    /// Its name.
    pub(crate) client: String,
    /// How it proves who it is.
    pub(crate) proof: Proof,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Application({}/{})", self.tenant, self.client)
    }
}

/// How an application proves who it is.
#[derive(Clone)]
pub(crate) enum Proof {
    /// By something that only it knows.
    Secret(Zeroizing<String>),
    /// By a certificate and its key, in PEM.
    Certificate {
        /// Both.
        pem: Zeroizing<String>,
        /// Whether the certificate is sent.
        send_chain: bool,
    },
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl Application {
    /// Gets a token for a scope.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub(crate) async fn token(
        &self,
        scope: &str,
        network: &dyn Network,
    ) -> Result<Zeroizing<String>, AuthError> {
        let url = self.token_url()?;
        let assertion = match &self.proof {
            Proof::Secret(_) => Zeroizing::new(String::new()),
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
        read(&reply)
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

/// Gets a token of an identity that is assigned to the machine.
///
/// # Errors
/// See [`AuthError`].
pub(crate) async fn managed_identity(
    client: &str,
    scope: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Zeroizing<String>, AuthError> {
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
        query.append_pair("client_id", client);
        query.append_pair("resource", resource);
    }
    let request = Request::get(url, Trust::Process).with("metadata", "true");
    read(&send_patiently(network, &request).await?)
}

fn read(reply: &Reply) -> Result<Zeroizing<String>, AuthError> {
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
    Ok(Zeroizing::new(answer.access_token))
}

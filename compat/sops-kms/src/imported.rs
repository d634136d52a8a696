//! Credentials of a decryption Secret.

use std::fmt;

use cloud_auth::azure::{self, Application, Proof};
use cloud_auth::{AuthError, Trust, aws, gcp};
use go_yaml::{Limits, sigs};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

/// Credentials that somebody put into a Secret, by the names of its entries.
#[derive(Clone, Default)]
pub struct Imported {
    pub(crate) vault_token: Option<Zeroizing<String>>,
    pub(crate) aws: Option<Aws>,
    pub(crate) azure: Option<Azure>,
    pub(crate) gcp: Option<gcp::Credentials>,
}

/// What an entry says about AWS; that a part is empty is told when it is used.
#[derive(Clone)]
pub(crate) struct Aws {
    id: String,
    secret: Zeroizing<String>,
    session: Zeroizing<String>,
}

impl Aws {
    pub(crate) fn credentials(&self) -> Result<aws::Credentials, AuthError> {
        aws::Credentials::fixed(&self.id, &self.secret, &self.session)
    }
}

/// What an entry says about Azure.
#[derive(Clone)]
pub(crate) enum Azure {
    Application(Application),
    /// An identity that is assigned to the machine.
    Managed(String),
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported")
            .field("vault_token", &self.vault_token.is_some())
            .field("aws", &self.aws.is_some())
            .field("azure", &self.azure.is_some())
            .field("gcp", &self.gcp.is_some())
            .finish()
    }
}

/// Why an entry is no credential. What is in it is never told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is no YAML.
    #[error("failed to unmarshal {0} file: it is no YAML object")]
    Yaml(&'static str),
    /// It is not what the service wants.
    #[error("{0}")]
    Content(String),
}

impl Imported {
    /// Whether there is a token for servers of Vault.
    pub fn has_vault_token(&self) -> bool {
        self.vault_token.is_some()
    }

    /// Takes an entry of a Secret, if its name is that of a credential.
    ///
    /// # Errors
    /// It is none.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ImportError> {
        match name {
            "sops.vault-token" => {
                let text = String::from_utf8_lossy(bytes);
                self.vault_token =
                    Some(Zeroizing::new(text.trim().to_owned())).filter(|token| !token.is_empty());
            }
            "sops.aws-kms" => {
                let file = Fields::read(bytes, "AWS credentials")?;
                self.aws = Some(Aws {
                    id: file.text("aws_access_key_id"),
                    secret: Zeroizing::new(file.text("aws_secret_access_key")),
                    session: Zeroizing::new(file.text("aws_session_token")),
                });
            }
            "sops.azure-kv" => self.azure = Some(azure(&decoded(bytes)?)?),
            "sops.gcp-kms" => {
                let trimmed = bytes.trim_ascii();
                let credentials = gcp::Credentials::read(trimmed, Trust::Tenant);
                let credentials = credentials.map_err(|error| ImportError::Content(error.to_string()))?;
                if let Some(url) = credentials.token_uri() {
                    google_host(url)?;
                }
                self.gcp = Some(credentials);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A token is only asked for at Google, so that the key is not made use of by somebody else. Other addresses are for tests
/// on this machine, where the network has to allow it.
fn google_host(url: &Url) -> Result<(), ImportError> {
    let host = url.host_str().unwrap_or_default();
    let is_google =
        url.scheme() == "https" && (host.ends_with(".googleapis.com") || host == "accounts.google.com");
    let is_here = matches!(host, "127.0.0.1" | "localhost");
    if is_google || is_here {
        Ok(())
    } else {
        Err(ImportError::Content(
            "the token_uri of the credentials is no host of googleapis.com".to_owned(),
        ))
    }
}

/// An object whose fields are texts.
struct Fields(Value);

impl Fields {
    fn read(bytes: &[u8], what: &'static str) -> Result<Self, ImportError> {
        match sigs::to_value(bytes, &Limits::default()) {
            Ok(value) if value.is_object() || value.is_null() => Ok(Self(value)),
            _ => Err(ImportError::Yaml(what)),
        }
    }

    fn text(&self, name: &str) -> String {
        let text = self.0.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}

/// The text of a file that Windows may have written.
fn decoded(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, ImportError> {
    let wide = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        String::from_utf16(&pairs.iter().map(|pair| of(*pair)).collect::<Vec<_>>())
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|_| ImportError::Yaml("Azure authentication"))
    };
    if let Some(rest) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        wide(rest, u16::from_le_bytes)
    } else if let Some(rest) = bytes.strip_prefix(&[0xFE, 0xFF]) {
        wide(rest, u16::from_be_bytes)
    } else {
        let rest = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]).unwrap_or(bytes);
        Ok(Zeroizing::new(rest.to_vec()))
    }
}

fn azure(bytes: &[u8]) -> Result<Azure, ImportError> {
    let file = Fields::read(bytes, "Azure authentication")?;
    let text = |name: &str| Some(file.text(name)).filter(|text| !text.is_empty());
    let (authority, trust) = match text("authorityHost") {
        Some(host) => (host, Trust::Tenant),
        None => (azure::PUBLIC.to_owned(), Trust::Process),
    };
    let authority =
        Url::parse(&authority).map_err(|error| ImportError::Content(format!("authorityHost: {error}")))?;
    let application = |tenant, client, proof| {
        Ok(Azure::Application(Application {
            authority: authority.clone(),
            trust,
            tenant,
            client,
            proof,
        }))
    };
    let secret = |text| Proof::Secret(Zeroizing::new(text));
    if let (Some(tenant), Some(client)) = (text("tenantId"), text("clientId")) {
        if let Some(password) = text("clientSecret") {
            return application(tenant, client, secret(password));
        }
        if let Some(certificate) = text("clientCertificate") {
            if !certificate.contains("-----BEGIN ") || text("clientCertificatePassword").is_some() {
                return Err(ImportError::Content(
                    "a clientCertificate of PKCS#12, or with a password, is not supported; give certificate and key in PEM"
                        .to_owned(),
                ));
            }
            let proof = Proof::Certificate {
                pem: Zeroizing::new(certificate),
                send_chain: file.flag("clientCertificateSendChain"),
            };
            return application(tenant, client, proof);
        }
    }
    if let (Some(tenant), Some(client), Some(password)) = (text("tenant"), text("appId"), text("password")) {
        return application(tenant, client, secret(password));
    }
    match text("clientId") {
        Some(client) => Ok(Azure::Managed(client)),
        None => Err(ImportError::Content(
            "invalid data: requires a 'clientId' field, a combination of 'tenantId', 'clientId' and 'clientSecret', or \
             'tenantId', 'clientId' and 'clientCertificate'"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(name: &str, bytes: &[u8]) -> Result<Imported, String> {
        let mut imported = Imported::default();
        imported.add(name, bytes).map_err(|error| error.to_string())?;
        Ok(imported)
    }

    #[test]
    fn entries_are_known_by_their_whole_names() {
        let token = add("sops.vault-token", b" secret\n").unwrap();
        assert_eq!(token.vault_token.unwrap().as_str(), "secret");
        assert!(add("other.vault-token", b"secret").unwrap().vault_token.is_none());
        let aws = add(
            "sops.aws-kms",
            b"aws_access_key_id: a\naws_secret_access_key: b\n",
        )
        .unwrap();
        assert_eq!(aws.aws.unwrap().credentials().unwrap().access_key_id, "a");
        let empty = add("sops.aws-kms", b"aws_access_key_id: a\n").unwrap();
        assert_eq!(
            empty
                .aws
                .unwrap()
                .credentials()
                .map(|_| ())
                .unwrap_err()
                .to_string(),
            "static credentials are empty"
        );
        assert!(add("sops.aws-kms", b"secret").is_err_and(|error| !error.contains("secret")));
    }

    #[test]
    fn azure_takes_the_first_form_that_fits() {
        let is_managed = |text: &str| {
            add("sops.azure-kv", text.as_bytes())
                .map(|imported| matches!(imported.azure, Some(Azure::Managed(_))))
        };
        assert_eq!(
            is_managed("tenantId: t\nclientId: c\nclientSecret: s\n"),
            Ok(false)
        );
        assert_eq!(is_managed("tenant: t\nappId: c\npassword: s\n"), Ok(false));
        assert_eq!(is_managed("clientId: c\n"), Ok(true));
        assert_eq!(is_managed("tenantId: t\nclientId: c\n"), Ok(true));
        assert!(
            is_managed("tenantId: t\n")
                .unwrap_err()
                .starts_with("invalid data: requires a 'clientId' field")
        );
        let wide: Vec<u8> = "\u{feff}clientId: c\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(add("sops.azure-kv", &wide).unwrap().azure.is_some());
    }

    #[test]
    fn credentials_of_google_that_read_files_are_refused() {
        let external =
            br#"{"type":"external_account","credential_source":{"file":"/var/run/secrets/token"}}"#;
        let error = add("sops.gcp-kms", external).unwrap_err();
        assert!(error.contains("not supported, only service_account"), "{error}");
        assert!(
            add("sops.gcp-kms", b"\n{}\n")
                .unwrap_err()
                .contains("missing 'type'")
        );
    }
}

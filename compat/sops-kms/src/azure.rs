//! Azure Key Vault.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_auth::{Network, Reply, Request, Trust, send_patiently};
use serde_json::{Value, json};
use sops::AzureKey;
use url::Url;
use zeroize::Zeroizing;

const VERSION: &str = "2025-07-01";

/// A key in a vault, whose vault has said what tokens it takes.
pub(crate) struct Challenged {
    url: Url,
    value: String,
    name: String,
    /// What a token has to be for.
    pub(crate) scope: String,
}

/// Asks the vault what tokens it takes: a first request, without one.
pub(crate) async fn challenge(key: &AzureKey, network: &dyn Network) -> Result<Challenged, String> {
    let encrypted = URL_SAFE_NO_PAD
        .decode(&key.encrypted)
        .map_err(|error| format!("failed to base64 decode Azure Key Vault encrypted key: {error}"))?;
    let name = format!("{}/keys/{}/{}", key.vault_url, key.name, key.version);
    let failed =
        |why: String| format!("failed to decrypt sops data key with Azure Key Vault key '{name}': {why}");
    let url = url(key).map_err(failed)?;
    let request = Request::post(url.clone(), "application/json", Vec::new(), Trust::Tenant);
    let reply = send_patiently(network, &request).await;
    let reply = reply.map_err(|error| failed(error.to_string()))?;
    let header = reply.header("www-authenticate").unwrap_or_default();
    let scope = scope(header, url.host_str().unwrap_or_default()).map_err(failed)?;
    Ok(Challenged {
        url,
        value: URL_SAFE_NO_PAD.encode(encrypted),
        name,
        scope,
    })
}

impl Challenged {
    /// Decrypts the data key with a token.
    pub(crate) async fn decrypt(
        self,
        token: &str,
        network: &dyn Network,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let name = &self.name;
        let failed =
            |why: String| format!("failed to decrypt sops data key with Azure Key Vault key '{name}': {why}");
        let body = json!({"alg": "RSA-OAEP-256", "value": self.value}).to_string();
        let request = Request::post(
            self.url.clone(),
            "application/json",
            body.into_bytes(),
            Trust::Tenant,
        )
        .with("authorization", format!("Bearer {token}"));
        let reply = send_patiently(network, &request).await;
        let reply = reply.map_err(|error| failed(error.to_string()))?;
        if !reply.is_success() {
            return Err(failed(refusal(&self.url, &reply)));
        }
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let plain = answer.get("value").and_then(Value::as_str);
        let plain = plain.and_then(|plain| URL_SAFE_NO_PAD.decode(plain.trim_end_matches('=')).ok());
        plain
            .map(Zeroizing::new)
            .ok_or_else(|| failed("the answer cannot be read".to_owned()))
    }
}

fn url(key: &AzureKey) -> Result<Url, String> {
    let mut url =
        Url::parse(&key.vault_url).map_err(|error| format!("parse {:?}: {error}", key.vault_url))?;
    if url.scheme() != "https" {
        return Err(
            "authenticated requests are not permitted for non TLS protected (https) endpoints".to_owned(),
        );
    }
    if key.name.is_empty() {
        return Err("parameter name cannot be empty".to_owned());
    }
    let is_segment = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !is_segment(&key.name) || !is_segment(&key.version) {
        return Err("the name or the version of the key is none".to_owned());
    }
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}/keys/{}/{}/decrypt", key.name, key.version));
    url.set_query(Some(&format!("api-version={VERSION}")));
    Ok(url)
}

/// What a token has to be for. Whoever is asked says so, and must be part of what it says.
fn scope(header: &str, host: &str) -> Result<String, String> {
    let parameter = |name: &str| {
        let (_, rest) = header.split_once(&format!("{name}=\""))?;
        rest.split('"').next().filter(|value| !value.is_empty())
    };
    let resource = match (parameter("scope"), parameter("resource")) {
        (Some(scope), _) => scope.to_owned(),
        (None, Some(resource)) => format!("{}/.default", resource.trim_end_matches('/')),
        (None, None) => {
            return Err("could not find a valid resource in the WWW-Authenticate header".to_owned());
        }
    };
    let parsed =
        Url::parse(&resource).map_err(|error| format!("invalid challenge resource {resource:?}: {error}"))?;
    let wanted = parsed.host_str().unwrap_or_default();
    let is_below = !wanted.is_empty() && host.strip_suffix(wanted).is_some_and(|rest| rest.ends_with('.'));
    if !is_below {
        return Err(format!(
            "challenge resource {wanted:?} doesn't match the requested domain. Set DisableChallengeResourceVerification to \
             true in your client options to disable. See https://aka.ms/azsdk/blog/vault-uri for more information"
        ));
    }
    Ok(resource)
}

/// What the service says.
fn refusal(url: &Url, reply: &Reply) -> String {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |name: &str| answer.pointer(&format!("/error/{name}")).and_then(Value::as_str);
    let code = text("code").unwrap_or("UNAVAILABLE");
    let message = text("message").map_or_else(|| reply.text(), str::to_owned);
    let (host, path) = (url.host_str().unwrap_or_default(), url.path());
    format!(
        "POST https://{host}{path}: RESPONSE {}: ERROR CODE: {code}: {message}",
        reply.status
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_asks_for_tokens_of_its_own_kind_only() {
        let header = |resource: &str| {
            format!("Bearer authorization=\"https://login.microsoftonline.com/t\", resource=\"{resource}\"")
        };
        assert_eq!(
            scope(&header("https://vault.azure.net"), "a.vault.azure.net"),
            Ok("https://vault.azure.net/.default".to_owned())
        );
        assert_eq!(
            scope(
                "Bearer scope=\"https://vault.azure.net/.default\"",
                "a.vault.azure.net"
            ),
            Ok("https://vault.azure.net/.default".to_owned())
        );
        for host in ["evil.org", "evilvault.azure.net", "vault.azure.net"] {
            assert!(scope(&header("https://vault.azure.net"), host).is_err(), "{host}");
        }
        assert!(scope(&header("https://management.azure.com"), "a.vault.azure.net").is_err());
        assert!(scope("", "a.vault.azure.net").is_err());
    }

    #[test]
    fn keys_are_below_their_vault() {
        let of = |vault: &str, name: &str, version: &str| {
            url(&AzureKey {
                vault_url: vault.to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
                ..AzureKey::default()
            })
            .map(|url| url.to_string())
        };
        assert_eq!(
            of("https://a.vault.azure.net", "sops", "1"),
            Ok("https://a.vault.azure.net/keys/sops/1/decrypt?api-version=2025-07-01".to_owned())
        );
        assert_eq!(
            of("https://a.vault.azure.net/", "sops", ""),
            Ok("https://a.vault.azure.net/keys/sops//decrypt?api-version=2025-07-01".to_owned())
        );
        assert!(of("http://a.vault.azure.net", "sops", "1").is_err());
        assert!(of("https://a.vault.azure.net", "../secrets/x", "1").is_err());
        assert!(of("https://a.vault.azure.net", "", "1").is_err());
    }
}

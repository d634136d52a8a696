//! The transit engine of Vault and OpenBao.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_auth::{Network, Reply, Request, Surroundings, Trust, send_patiently};
use serde_json::{Value, json};
use sops::VaultKey;
use url::Url;
use zeroize::Zeroizing;

/// Decrypts a data key with a token.
pub(crate) async fn decrypt(
    key: &VaultKey,
    token: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Zeroizing<Vec<u8>>, String> {
    allowed(&key.address, around)?;
    let path = path(&[&key.engine_path, "decrypt", &key.key_name])?;
    let failed =
        |why: String| format!("failed to decrypt sops data key from Vault transit backend '{path}': {why}");
    let body = json!({"ciphertext": key.encrypted});
    let answer = write(&key.address, &path, &body, token, network, around)
        .await
        .map_err(failed)?;
    let data = answer.get("data").filter(|data| data.is_object());
    let data = data.ok_or_else(|| failed("transit backend is empty".to_owned()))?;
    let plain = match data.get("plaintext") {
        None => return Err(failed("no decrypted data".to_owned())),
        Some(Value::String(plain)) => STANDARD
            .decode(plain)
            .map_err(|_| failed("cannot decode base64 plaintext into data key bytes".to_owned()))?,
        Some(_) => {
            return Err(failed(
                "decrypted plaintext data cannot be cast to string".to_owned(),
            ));
        }
    };
    Ok(Zeroizing::new(plain))
}

/// Logs in with a token of a service account, as the role that its own name says.
pub(crate) async fn log_in(
    address: &str,
    login: &str,
    token: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Zeroizing<String>, String> {
    let role =
        role_of(token).map_err(|why| format!("failed to derive Vault role for authentication: {why}"))?;
    let path = path(&[login])?;
    let body = json!({"role": role, "jwt": token});
    let answer = write(address, &path, &body, "", network, around).await.map_err(|why| {
        format!("failed to authenticate with Vault '{address}' at login path '{login}' as role '{role}': {why}")
    })?;
    let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
    let token = token.filter(|token| !token.is_empty());
    token
        .map(|token| Zeroizing::new(token.to_owned()))
        .ok_or_else(|| format!("Vault '{address}' returned no token for login at '{login}' as role '{role}'"))
}

/// The role of a service account: `NAMESPACE_NAME`, as its token says whose it is.
fn role_of(token: &str) -> Result<String, String> {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let [_, payload, _] = token.split('.').collect::<Vec<_>>()[..] else {
        return Err("not a JWT".to_owned());
    };
    let payload = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| "failed to decode token payload".to_owned())?;
    let claims: Value =
        serde_json::from_slice(&payload).map_err(|_| "failed to unmarshal token payload".to_owned())?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let name = subject
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    match name {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(format!("{namespace}_{name}"))
        }
        _ => Err(format!("unexpected token subject '{subject}'")),
    }
}

/// Whether the list of the environment has an address.
pub(crate) fn allowed(address: &str, around: &dyn Surroundings) -> Result<(), String> {
    let list = around.variable("SOPS_HC_VAULT_ALLOWLIST");
    let list = list.as_deref().unwrap_or("all");
    let slashed = |text: &str| {
        if text.ends_with('/') {
            text.to_owned()
        } else {
            format!("{text}/")
        }
    };
    let is_allowed = match list {
        "all" => true,
        "none" => false,
        list => {
            let mut found = false;
            for (at, entry) in list.split(',').enumerate() {
                let entry = entry.trim_matches(' ');
                if entry.is_empty() {
                    return Err(format!("SOPS_HC_VAULT_ALLOWLIST's entry {} is empty", at + 1));
                }
                found |= slashed(address).starts_with(&slashed(entry));
            }
            found
        }
    };
    if is_allowed {
        Ok(())
    } else {
        Err(format!("Allowlist does not allow {address}"))
    }
}

/// Joins the parts of a path, of which none leads somewhere else.
fn path(parts: &[&str]) -> Result<String, String> {
    let mut segments = Vec::new();
    for part in parts {
        let trimmed = part.trim_matches('/');
        for segment in trimmed.split('/') {
            if segment.is_empty()
                || segment == "."
                || segment == ".."
                || segment.contains(['?', '#', '%', '\\'])
            {
                return Err(format!(
                    "failed to decrypt sops data key from Vault transit backend: {part:?} is no path of an engine or name of a key"
                ));
            }
            segments.push(segment);
        }
    }
    Ok(segments.join("/"))
}

async fn write(
    address: &str,
    path: &str,
    body: &Value,
    token: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Value, String> {
    let create = |why: String| format!("cannot create Vault client: parse {address:?}: {why}");
    let base = Url::parse(address).map_err(|error| create(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(create(format!(
            "addresses with the scheme {:?} are not supported",
            base.scheme()
        )));
    }
    let mut url = base;
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}/v1/{path}"));
    url.set_query(None);
    // Its own client does not say either that the body is JSON.
    let mut request = Request {
        method: "PUT",
        body: body.to_string().into_bytes(),
        ..Request::get(url.clone(), Trust::Tenant)
    };
    request = request.with("x-vault-request", "true");
    if !token.is_empty() {
        request = request.with("x-vault-token", token);
    }
    let namespace = around.variable("VAULT_NAMESPACE");
    if let Some(namespace) = &namespace {
        request = request.with("x-vault-namespace", namespace.as_str());
    }
    let reply = send_patiently(network, &request).await;
    let reply = reply.map_err(|error| format!("Put {:?}: {error}", url.as_str()))?;
    if !reply.is_success() {
        return Err(refusal(&url, namespace.as_deref(), &reply));
    }
    if reply.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&reply.body).map_err(|_| "the answer of the server cannot be read".to_owned())
}

/// What the server says, in the words of its own client.
fn refusal(url: &Url, namespace: Option<&str>, reply: &Reply) -> String {
    let namespace = namespace.map_or_else(String::new, |name| format!("Namespace: {name}\n"));
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let said = match answer.get("errors").and_then(Value::as_array) {
        Some(errors) => {
            let errors = errors.iter().filter_map(Value::as_str);
            let errors: Vec<_> = errors.map(|error| format!("\n* {error}")).collect();
            format!("Errors:\n{}", errors.concat())
        }
        None => format!("Raw Message:\n\n{}", reply.text()),
    };
    let status = reply.status;
    format!("Error making API request.\n\n{namespace}URL: PUT {url}\nCode: {status}. {said}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Around(BTreeMap<&'static str, &'static str>);

    impl Surroundings for Around {
        fn variable(&self, name: &str) -> Option<String> {
            self.0.get(name).map(|value| (*value).to_owned())
        }

        fn file(&self, _: &str) -> Result<Option<String>, String> {
            Ok(None)
        }
    }

    #[test]
    fn the_list_of_the_environment_is_one_of_prefixes() {
        let allows = |list: &'static str, address: &str| {
            allowed(address, &Around([("SOPS_HC_VAULT_ALLOWLIST", list)].into()))
        };
        assert_eq!(allowed("https://a", &Around(BTreeMap::new())), Ok(()));
        assert_eq!(allows("all", "https://a"), Ok(()));
        assert_eq!(
            allows("none", "https://a"),
            Err("Allowlist does not allow https://a".to_owned())
        );
        assert_eq!(allows("https://b, https://a", "https://a"), Ok(()));
        assert_eq!(allows("https://a/x", "https://a/x/y"), Ok(()));
        assert!(allows("https://a", "https://a.evil").is_err());
        assert_eq!(
            allows("https://a,,", "https://a"),
            Err("SOPS_HC_VAULT_ALLOWLIST's entry 2 is empty".to_owned())
        );
    }

    #[test]
    fn no_path_leads_out_of_its_engine() {
        assert_eq!(
            path(&["/sops/", "decrypt", "key"]),
            Ok("sops/decrypt/key".to_owned())
        );
        assert_eq!(path(&["a/b", "decrypt", "key"]), Ok("a/b/decrypt/key".to_owned()));
        for key in ["../../sys/seal", ".", "", "a?b", "a#b", "a%2e", "a//b"] {
            assert!(path(&["sops", "decrypt", key]).is_err(), "{key}");
        }
    }

    #[test]
    fn a_role_is_the_name_of_its_account() {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let token = |claims: &str| format!("a.{}.b", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(
            role_of(&token(r#"{"sub":"system:serviceaccount:apps:sops"}"#)),
            Ok("apps_sops".to_owned())
        );
        assert_eq!(role_of("a.b"), Err("not a JWT".to_owned()));
        assert_eq!(
            role_of(&token(r#"{"sub":"somebody"}"#)),
            Err("unexpected token subject 'somebody'".to_owned())
        );
    }
}

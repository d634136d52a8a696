//! GCP KMS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_auth::{Network, Request, Surroundings, Trust, send_patiently};
use serde_json::{Value, json};
use sops::GcpKmsKey;
use url::Url;
use zeroize::Zeroizing;

/// What a token of a Secret is for.
pub(crate) const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/cloudkms",
];

/// Whether a key is named as it should be: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.
fn is_resource(id: &str) -> bool {
    let parts: Vec<_> = id.split('/').collect();
    // A project may belong to a domain: `example.org:p`.
    let is_name = |at: usize, part: &str| {
        let odd = part.contains(['?', '#', '%', '\\']) || (at != 1 && part.contains(':'));
        !matches!(part, "" | "." | "..") && !odd
    };
    let names = ["projects", "locations", "keyRings", "cryptoKeys"];
    parts.len() == 8
        && parts
            .iter()
            .step_by(2)
            .zip(names)
            .all(|(part, name)| *part == name)
        && parts.iter().enumerate().all(|(at, part)| is_name(at, part))
}

/// Decrypts a data key with a token.
pub(crate) async fn decrypt(
    key: &GcpKmsKey,
    token: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let id = &key.resource_id;
    if !is_resource(id) {
        return Err(format!(
            "cannot create GCP KMS service: no valid resource ID found in {id:?}"
        ));
    }
    let encrypted = STANDARD
        .decode(&key.encrypted)
        .map_err(|error| error.to_string())?;
    let base = around.variable("SOPS_GCP_KMS_ENDPOINT").unwrap_or_else(|| {
        let domain = around.variable("SOPS_GCP_KMS_UNIVERSE_DOMAIN");
        let domain = domain.as_deref().unwrap_or("googleapis.com");
        format!("https://cloudkms.{domain}")
    });
    let base = if base.contains("://") {
        base
    } else {
        format!("https://{base}")
    };
    let base = base.trim_end_matches('/');
    let url = Url::parse(&format!("{base}/v1/{id}:decrypt"))
        .map_err(|error| format!("cannot create GCP KMS service: {error}"))?;
    let failed = |why: String| format!("failed to decrypt sops data key with GCP KMS key: {why}");
    let body = json!({"name": id, "ciphertext": STANDARD.encode(encrypted)}).to_string();
    let request = Request::post(url, "application/json", body.into_bytes(), Trust::Process)
        .with("authorization", format!("Bearer {token}"));
    let reply = send_patiently(network, &request).await;
    let reply = reply.map_err(|error| failed(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if !reply.is_success() {
        let message = answer.pointer("/error/message").and_then(Value::as_str);
        let message = message.map_or_else(|| reply.text(), str::to_owned);
        return Err(failed(format!("googleapi: Error {}: {message}", reply.status)));
    }
    let plain = answer.get("plaintext").and_then(Value::as_str);
    let plain = plain.and_then(|plain| STANDARD.decode(plain).ok());
    plain
        .map(Zeroizing::new)
        .ok_or_else(|| failed("the answer cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_in_full() {
        let right = "projects/example.org:p/locations/global/keyRings/r/cryptoKeys/k";
        assert!(is_resource(right));
        for wrong in [
            "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "projects/p/locations/l/keyRings/r/cryptoKeys/",
            "projects/p/locations/../keyRings/r/cryptoKeys/k",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k:encrypt",
            "projects/p/locations/l/keyRings/r/cryptoKeys/k?x",
            "",
        ] {
            assert!(!is_resource(wrong), "{wrong}");
        }
    }
}

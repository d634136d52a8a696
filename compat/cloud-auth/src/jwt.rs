//! Signed claims (JWT), by keys of RSA; and what tokens of the cluster say of themselves, which is not verified here.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::AuthError;

/// How claims are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// What stands in a text in PEM: the kind of each block, and its bytes.
pub(crate) fn pem(text: &str) -> Vec<(&str, Zeroizing<Vec<u8>>)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((kind, after)) = after.split_once("-----") else {
            break;
        };
        let Some((body, after)) = after.split_once("-----END ") else {
            break;
        };
        let compact: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
        if let Ok(bytes) = STANDARD.decode(compact.as_bytes()) {
            blocks.push((kind, Zeroizing::new(bytes)));
        }
        rest = after;
    }
    blocks
}

/// Reads the key of a text in PEM, in the form of PKCS#8 or of PKCS#1.
pub(crate) fn private_key(text: &str) -> Result<RsaKeyPair, AuthError> {
    let keys = pem(text).into_iter().filter_map(|(kind, bytes)| match kind {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&bytes).ok(),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&bytes).ok(),
        _ => None,
    });
    let mut keys = keys;
    keys.next()
        .ok_or_else(|| AuthError::configuration("the private key is no RSA key in PEM"))
}

/// Signs claims.
pub(crate) fn sign(
    header: &Value,
    claims: &Value,
    key: &RsaKeyPair,
    algorithm: Algorithm,
) -> Result<String, AuthError> {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let encoding: &dyn RsaEncoding = match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| AuthError::configuration("the private key cannot sign"))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn claims(token: &str) -> Option<Value> {
    let [_, body, _] = token.trim().split('.').collect::<Vec<_>>()[..] else {
        return None;
    };
    let body = URL_SAFE_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&body).ok()
}

fn malformed() -> AuthError {
    AuthError::configuration("failed to parse service account token: token is malformed")
}

/// Tells when a token of the cluster ends.
pub(crate) fn expiration(token: &str) -> Result<Timestamp, AuthError> {
    let claims = claims(token).ok_or_else(malformed)?;
    let end = claims.get("exp").and_then(Value::as_i64);
    let end = end.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let missing = "failed to get expiration time from service account token: exp is missing";
    end.ok_or_else(|| AuthError::configuration(missing))
}

/// Tells namespace and name of the service account that a token of the cluster is of.
pub(crate) fn account(token: &str) -> Result<(String, String), AuthError> {
    let claims = claims(token).ok_or_else(malformed)?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    match subject.split(':').collect::<Vec<_>>()[..] {
        [_, _, namespace, name] => Ok((namespace.to_owned(), name.to_owned())),
        _ => Err(AuthError::Configuration(format!(
            "invalid subject format in service account token: {subject}"
        ))),
    }
}

/// A token with claims and without a signature.
#[cfg(test)]
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_and_nothing_of_a_token_is_repeated() {
        let good = unsigned(&json!({"exp": 1000, "sub": "system:serviceaccount:apps:me"}));
        assert_eq!(expiration(&good).unwrap().as_second(), 1000);
        let who = ("apps".to_owned(), "me".to_owned());
        assert_eq!(account(&format!("{good}\n")), Ok(who));
        for bad in ["-secret-", "a.-secret-.b", &unsigned(&json!({"sub": "x"}))] {
            let error = expiration(bad).unwrap_err().to_string();
            assert!(!error.contains("-secret-"), "{error}");
        }
        assert!(account(&unsigned(&json!({"sub": "somebody"}))).is_err());
    }
}

//! Signed claims (JWT), by keys of RSA.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
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

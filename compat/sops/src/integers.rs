//! Large numbers of RSA keys.

use rsa::{BoxedUint, PrivateKey};

/// Bits of the largest RSA key.
const MAX_BITS: usize = 8192;

/// A number without leading zeros.
pub(crate) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// An RSA key from its numbers.
pub(crate) fn private_key(
    modulus: &[u8],
    exponent: &[u8],
    secret: &[u8],
    primes: &[&[u8]],
) -> Option<PrivateKey> {
    let all = [modulus, exponent, secret];
    let mut all = all.iter().chain(primes);
    if all.any(|number| trimmed(number).len() > MAX_BITS / 8 || trimmed(number).is_empty()) {
        return None;
    }
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(trimmed(bytes));
    let primes = primes.iter().map(|prime| number(prime)).collect();
    PrivateKey::from_components(number(modulus), number(exponent), number(secret), primes).ok()
}

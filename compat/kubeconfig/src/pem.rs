//! Certificates in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Tells whether a bundle has certificates, all of which can be decoded.
///
/// Whatever stands between them is of no meaning.
pub fn has_certificates(bundle: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bundle) else {
        return false;
    };
    let (mut has_any, mut rest) = (false, text);
    while let Some((_, from)) = rest.split_once(BEGIN) {
        let Some((body, after)) = from.split_once(END) else {
            return false;
        };
        let body: String = body.split_ascii_whitespace().collect();
        if STANDARD.decode(body).is_err() {
            return false;
        }
        (has_any, rest) = (true, after);
    }
    has_any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_all_of_its_certificates() {
        let one = |body: &str| format!("# a comment\n{BEGIN}\n{body}\n{END}\n");
        let bundle = one("YWJj\nYWJj") + &one("ZGVm");
        assert!(has_certificates(bundle.as_bytes()));
        for none in ["", "nothing", BEGIN, &one("?"), "-----BEGIN PRIVATE KEY-----"] {
            assert!(!has_certificates(none.as_bytes()), "{none}");
        }
        let spoilt = one("YWJj") + &one("?");
        assert!(!has_certificates(spoilt.as_bytes()));
    }
}

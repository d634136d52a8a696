//! Whether a body is the one that somebody vouches for.

use artifact_producer::Failure;
use artifact_producer::answers::{lasting, shown};
use flux_archive::{Algorithm, Hasher};
use url::Url;

/// The condition that says so.
const VERIFIED: &str = "SourceVerified";

fn refused(message: String) -> Failure {
    lasting("VerificationError", message).denying(VERIFIED)
}

/// Finds the digest of a file in a list as `sha256sum` and its like write it, or BSD's.
pub(crate) fn listed(list: &str, url: &Url, file: &str) -> Result<String, Failure> {
    let mut found: Vec<_> = list.lines().filter_map(|line| entry(line.trim(), file)).collect();
    found.sort();
    found.dedup();
    match &found[..] {
        [digest] => Ok(digest.clone()),
        [] => Err(refused(format!("{} has no check sum of {file:?}", shown(url)))),
        several => Err(refused(format!(
            "{} has {} check sums of {file:?}",
            shown(url),
            several.len()
        ))),
    }
}

fn entry(line: &str, file: &str) -> Option<String> {
    // BSD's form: SHA256 (name) = hex
    let (hex, name) = if let Some((_, rest)) = line.split_once(" (") {
        let (name, hex) = rest.rsplit_once(") = ")?;
        (hex.trim(), name)
    } else {
        let (hex, name) = line.split_once([' ', '\t'])?;
        (hex, name.trim_start().trim_start_matches('*'))
    };
    let name = name.strip_prefix("./").unwrap_or(name);
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let algorithm = match hex.len() {
        64 => Algorithm::Sha256,
        96 => Algorithm::Sha384,
        128 => Algorithm::Sha512,
        _ => return None,
    };
    (is_hex && name == file).then(|| format!("{algorithm}:{}", hex.to_ascii_lowercase()))
}

/// Compares a body with the digest that it must have.
pub(crate) fn check(body: &[u8], expected: &str) -> Result<(), Failure> {
    let (algorithm, _) = expected.split_once(':').unwrap_or(("sha256", expected));
    let found = digest(body, algorithm.parse().unwrap_or_default());
    if found == expected {
        return Ok(());
    }
    Err(refused(format!(
        "the body has the digest {found}, and must have {expected}"
    )))
}

/// The digest of a body.
pub(crate) fn digest(body: &[u8], algorithm: Algorithm) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(body);
    format!("{algorithm}:{}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn lists_of_both_forms_are_read() {
        let url = Url::parse("https://example.org/sums?token=secret").expect("a URL");
        let other = "a".repeat(64);
        for list in [
            format!("{other}  other\n{HEX}  app.tar.gz\n"),
            format!("{HEX} *app.tar.gz"),
            format!("{}  ./app.tar.gz\r\n", HEX.to_uppercase()),
            format!("SHA256 (app.tar.gz) = {HEX}"),
            format!("{HEX}  app.tar.gz\n{HEX}  app.tar.gz"),
        ] {
            assert_eq!(
                listed(&list, &url, "app.tar.gz"),
                Ok(format!("sha256:{HEX}")),
                "{list}"
            );
        }
        for list in [
            format!("{HEX}  app.tar.gz2"),
            format!("{HEX}  app.tar.gz\n{other}  app.tar.gz"),
            String::new(),
            "abc  app.tar.gz".into(),
        ] {
            let failure = listed(&list, &url, "app.tar.gz").expect_err("no single check sum");
            assert_eq!(failure.reason(), "VerificationError");
            assert!(!failure.message().contains("secret"), "{}", failure.message());
        }
    }

    #[test]
    fn both_digests_are_told() {
        assert_eq!(check(b"hello", &format!("sha256:{HEX}")), Ok(()));
        let failure = check(b"hello!", &format!("sha256:{HEX}")).expect_err("another body");
        assert!(failure.message().contains(HEX) && failure.message().contains("sha256:ce06092f"));
        let blake = digest(b"hello", Algorithm::Blake3);
        assert_eq!(check(b"hello", &blake), Ok(()));
    }
}

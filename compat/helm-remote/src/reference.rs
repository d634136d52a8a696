//! `oci://HOST/REPOSITORY[:TAG][@DIGEST]`.

use crate::FetchError;

/// What a reference names, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The host, with its port if it has one.
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// The tag; empty if there is none. A `+` of a version is `_` in it.
    pub(crate) tag: String,
    /// The digest with its algorithm; empty if there is none.
    pub(crate) digest: String,
}

/// What references begin with.
pub(crate) const SCHEME: &str = "oci://";

impl Reference {
    /// Reads a reference, with or without its scheme.
    pub(crate) fn parse(text: &str) -> Result<Self, FetchError> {
        let invalid = |what: &str| FetchError::Reference(format!("invalid reference: {what}"));
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (rest, digest) = rest.rsplit_once('@').unwrap_or((rest, ""));
        let (registry, path) = rest
            .split_once('/')
            .ok_or_else(|| invalid("missing repository"))?;
        let (repository, tag) = path.rsplit_once(':').unwrap_or((path, ""));
        let is_host = |host: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
            !host.is_empty() && host.chars().all(plain)
        };
        if !is_host(registry) {
            return Err(invalid(&format!("invalid registry {}", go_std::quote(registry))));
        }
        let is_part = |part: &str| {
            let inner =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
            let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            part.bytes().all(inner)
                && part.as_bytes().first().is_some_and(alphanumeric)
                && part.as_bytes().last().is_some_and(alphanumeric)
        };
        if !repository.split('/').all(is_part) {
            return Err(invalid(&format!(
                "invalid repository {}",
                go_std::quote(repository)
            )));
        }
        let tag = tag_of(tag);
        let is_tag = |tag: &str| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            tag.len() <= 128 && tag.bytes().all(inner) && !tag.starts_with(['.', '-'])
        };
        if !is_tag(&tag) {
            return Err(invalid(&format!("invalid tag {}", go_std::quote(&tag))));
        }
        let is_digest = |digest: &str| {
            let hex = digest.strip_prefix("sha256:");
            hex.is_some_and(|hex| {
                hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            })
        };
        if !digest.is_empty() && !is_digest(digest) {
            return Err(invalid(&format!("invalid digest {}", go_std::quote(digest))));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest: digest.to_owned(),
        })
    }
}

/// The tag of a version, in which no `+` may be.
pub(crate) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, registry, repository, tag, with_digest) in [
            ("oci://r.test/a/web", "r.test", "a/web", "", false),
            (
                "oci://r.test:5000/web:1.2.0+a",
                "r.test:5000",
                "web",
                "1.2.0_a",
                false,
            ),
            ("r.test/web:1.2.0@DIGEST", "r.test", "web", "1.2.0", true),
            ("r.test/web@DIGEST", "r.test", "web", "", true),
        ] {
            let expected = Reference {
                registry: registry.to_owned(),
                repository: repository.to_owned(),
                tag: tag.to_owned(),
                digest: if with_digest {
                    digest.clone()
                } else {
                    String::new()
                },
            };
            assert_eq!(
                Reference::parse(&text.replace("DIGEST", &digest)),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "oci://r.test",
            "oci:///web",
            "oci://r.test/Web",
            "oci://r.test/web/",
            "oci://r.test/../web",
            "oci://r.test/web:.a",
            "oci://r.test/web@sha256:ab",
            "oci://u:p@r.test/web",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }
}

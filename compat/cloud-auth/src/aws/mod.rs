//! Amazon Web Services.

mod chain;
mod eks;
mod sign;
mod sts;

pub use chain::process_credentials;
pub(crate) use eks::{find, region_of};
pub use sign::{presign, sign};
pub use sts::{Role, WebIdentity};

use jiff::Timestamp;
use url::Url;
use zeroize::Zeroizing;

use crate::{AuthError, Surroundings};

/// Credentials that sign requests, wiped when they are dropped.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Which key it is.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Zeroizing<String>,
    /// A token that belongs to it; may be empty.
    pub session_token: Zeroizing<String>,
    /// When they end, if they do.
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials(.., expires {:?})", self.expires)
    }
}

impl Credentials {
    /// Credentials that somebody wrote down.
    ///
    /// # Errors
    /// A part of them is empty.
    pub fn fixed(id: &str, secret: &str, session: &str) -> Result<Self, AuthError> {
        if id.is_empty() || secret.is_empty() {
            return Err(AuthError::configuration("static credentials are empty"));
        }
        Ok(Self {
            access_key_id: id.to_owned(),
            secret_access_key: Zeroizing::new(secret.to_owned()),
            session_token: Zeroizing::new(session.to_owned()),
            expires: None,
        })
    }
}

/// Where a service of a region is, unless the environment says otherwise.
///
/// # Errors
/// The region is none, or what the environment says is no URL.
pub fn endpoint(service: &str, region: &str, around: &dyn Surroundings) -> Result<Url, AuthError> {
    let is_label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    if !is_label(region) {
        return Err(AuthError::Configuration(format!("invalid input region {region}")));
    }
    let own = around
        .variable(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()))
        .or_else(|| around.variable("AWS_ENDPOINT_URL"));
    let text = own.unwrap_or_else(|| usual(service, region));
    Url::parse(&text).map_err(|error| AuthError::Configuration(format!("AWS_ENDPOINT_URL: {error}")))
}

/// Where a service of a region is, as everybody knows.
fn usual(service: &str, region: &str) -> String {
    let suffix = match region.split('-').next().unwrap_or_default() {
        "cn" => "amazonaws.com.cn",
        "eusc" => "amazonaws.eu",
        "us" if region.starts_with("us-iso-") => "c2s.ic.gov",
        "us" if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        "us" if region.starts_with("us-isof-") => "csp.hci.ic.gov",
        "eu" if region.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    };
    format!("https://{service}.{region}.{suffix}/")
}

/// The text of an element of XML that has no others in it, as the answers of AWS are.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    let text = text.trim().to_owned();
    Some(
        entities
            .iter()
            .fold(text, |text, (from, to)| text.replace(from, to)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_texts() {
        let text = |xml: &str| element(xml, "Code");
        assert_eq!(
            text("<a><Code> a&lt;b&amp;lt; </Code></a>").as_deref(),
            Some("a<b&lt;")
        );
        assert_eq!(text("<Code>x"), None);
    }

    struct Nothing;

    impl Surroundings for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<Option<String>, String> {
            Ok(None)
        }
    }

    #[test]
    fn services_are_where_their_partition_is() {
        let at = |region: &str| {
            endpoint("kms", region, &Nothing)
                .map(|url| url.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            at("eu-west-1"),
            Ok("https://kms.eu-west-1.amazonaws.com/".to_owned())
        );
        assert_eq!(
            at("cn-north-1"),
            Ok("https://kms.cn-north-1.amazonaws.com.cn/".to_owned())
        );
        for wrong in ["", "a:b", "a.b", "-a", "eu-west-1/x", "x@y"] {
            assert_eq!(at(wrong), Err(format!("invalid input region {wrong}")));
        }
    }
}

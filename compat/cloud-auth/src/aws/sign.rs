//! Signatures (Signature Version 4).

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Credentials;
use crate::Request;

/// What is written as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Signs a request for a service of a region: adds the headers that say when, by whom and how.
pub fn sign(
    mut request: Request,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Request {
    let scope = Scope::new(region, service, now);
    request.headers.push(("x-amz-date", scope.stamp.clone()));
    if !credentials.session_token.is_empty() {
        request
            .headers
            .push(("x-amz-security-token", credentials.session_token.to_string()));
    }
    let (canonical, signed) = canonical(&request);
    let signature = scope.signature(&canonical, credentials);
    let id = &credentials.access_key_id;
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
    request.headers.push(("authorization", authorization));
    request
}

/// Gives the URL of a request without a body, with a signature in it that others may show for some time.
pub fn presign(
    request: &Request,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
    seconds: u32,
) -> Zeroizing<String> {
    let scope = Scope::new(region, service, now);
    let mut request = request.clone();
    let (_, signed) = canonical(&request);
    let credential = format!("{}/{scope}", credentials.access_key_id);
    {
        let mut query = request.url.query_pairs_mut();
        query
            .append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
            .append_pair("X-Amz-Credential", &credential)
            .append_pair("X-Amz-Date", &scope.stamp)
            .append_pair("X-Amz-Expires", &seconds.to_string());
        if !credentials.session_token.is_empty() {
            query.append_pair("X-Amz-Security-Token", &credentials.session_token);
        }
        query.append_pair("X-Amz-SignedHeaders", &signed);
    }
    let (canonical, _) = canonical(&request);
    let signature = scope.signature(&canonical, credentials);
    let query = query(&request);
    let (host, path) = (host(&request), request.url.path());
    let scheme = request.url.scheme();
    Zeroizing::new(format!(
        "{scheme}://{host}{path}?{query}&X-Amz-Signature={signature}"
    ))
}

/// When and for what a signature is.
struct Scope<'s> {
    stamp: String,
    day: String,
    region: &'s str,
    service: &'s str,
}

impl std::fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

impl<'s> Scope<'s> {
    fn new(region: &'s str, service: &'s str, now: Timestamp) -> Self {
        let now = now.to_zoned(TimeZone::UTC);
        Self {
            stamp: now.strftime("%Y%m%dT%H%M%SZ").to_string(),
            day: now.strftime("%Y%m%d").to_string(),
            region,
            service,
        }
    }

    fn signature(&self, canonical: &str, credentials: &Credentials) -> String {
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{}\n{self}\n{hash}", self.stamp);
        let secret = Zeroizing::new(format!("AWS4{}", credentials.secret_access_key.as_str()));
        let parts = [&self.day, self.region, self.service, "aws4_request", &text];
        let signature = parts.iter().fold(secret.as_bytes().to_vec(), |key, part| {
            code(&key, part.as_bytes())
        });
        hex(&signature)
    }
}

fn host(request: &Request) -> String {
    let host = request.url.host_str().unwrap_or_default();
    match request.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The query in the order and the writing that are signed.
fn query(request: &Request) -> String {
    let part = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let pairs = request.url.query_pairs();
    let mut pairs: Vec<_> = pairs.map(|(key, value)| (part(&key), part(&value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.join("&")
}

/// The request as it is signed, and the names of the headers that are.
fn canonical(request: &Request) -> (String, String) {
    let host = host(request);
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (*name, value.trim()))
        .collect();
    headers.push(("host", &host));
    headers.sort_unstable();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    // What is encoded is encoded once more.
    let path = request.url.path().replace('%', "%25");
    let mut text = format!("{}\n{path}\n{}\n", request.method, query(request));
    for (name, value) in &headers {
        text.push_str(name);
        text.push(':');
        text.push_str(value);
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed);
    text.push('\n');
    text.push_str(&hex(&Sha256::digest(&request.body)));
    (text, signed)
}

fn code(key: &[u8], text: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        // A key of any length will do.
        Err(_) => Vec::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Nothing fails that writes to a text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::Trust;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            ..Credentials::default()
        }
    }

    /// Cases of the suite that AWS published for this signature.
    #[test]
    fn requests_are_signed_as_the_suite_of_aws_wants() {
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let signature = |request: Request| {
            let signed = sign(request, &credentials(), "us-east-1", "service", now);
            let authorization = signed.header("authorization").unwrap();
            authorization.rsplit('=').next().unwrap().to_owned()
        };
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(
            signature(Request::get(
                url("https://example.amazonaws.com/"),
                Trust::Process
            )),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(
            signature(Request::get(
                url("https://example.amazonaws.com/?Param2=value2&Param1=value1"),
                Trust::Process
            )),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        );
        let form = Request::form(
            url("https://example.amazonaws.com/"),
            &[("Param1", "value1")],
            Trust::Process,
        );
        assert_eq!(
            signature(form),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
        );
    }

    #[test]
    fn urls_carry_all_that_is_signed() {
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
        let url = Url::parse("https://example.amazonaws.com/?a=b%2Fc").unwrap();
        let request = Request::get(url, Trust::Process).with("x-k8s-aws-id", "far");
        let credentials = Credentials {
            session_token: Zeroizing::new("t/+=".to_owned()),
            ..credentials()
        };
        let signed = presign(&request, &credentials, "us-east-1", "service", now, 900);
        let expected = "https://example.amazonaws.com/?X-Amz-Algorithm=AWS4-HMAC-SHA256&\
                        X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request&\
                        X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-Security-Token=t%2F%2B%3D&\
                        X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&a=b%2Fc&X-Amz-Signature=";
        // By the signer of the SDK, `aws/signer/v4` 1.42.0.
        let signature = "4274ec5abe29e4a88552e565ced3a15c4e939f9d66e35e17eb818f63091762c7";
        assert_eq!(
            signed.strip_prefix(expected),
            Some(signature),
            "{}",
            signed.as_str()
        );
    }
}

//! Signatures (Signature Version 4).

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::Request;

/// Credentials that sign requests, wiped when they are dropped.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// Which key it is.
    pub(crate) id: String,
    /// The key.
    pub(crate) secret: Zeroizing<String>,
    /// A token that belongs to it; may be empty.
    pub(crate) session: Zeroizing<String>,
}

/// What is written as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Signs a request for a service of a region: adds the headers that say when, by whom and how.
pub(crate) fn sign(
    mut request: Request,
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: Timestamp,
) -> Request {
    let now = now.to_zoned(TimeZone::UTC);
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = now.strftime("%Y%m%d").to_string();
    request.headers.push(("x-amz-date", stamp.clone()));
    if !credentials.session.is_empty() {
        request
            .headers
            .push(("x-amz-security-token", credentials.session.to_string()));
    }
    let (canonical, signed) = canonical(&request);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let secret = Zeroizing::new(format!("AWS4{}", credentials.secret.as_str()));
    let key = [day.as_str(), region, service, "aws4_request", &text];
    let signature = key.iter().fold(secret.as_bytes().to_vec(), |key, part| {
        code(&key, part.as_bytes())
    });
    let id = &credentials.id;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={}",
        hex(&signature)
    );
    request.headers.push(("authorization", authorization));
    request
}

/// The request as it is signed, and the names of the headers that are.
fn canonical(request: &Request) -> (String, String) {
    let host = request.url.host_str().unwrap_or_default();
    let host = match request.url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (*name, value.trim()))
        .collect();
    headers.push(("host", &host));
    headers.sort_unstable();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let signed = names.join(";");
    let mut query: Vec<_> = request
        .url
        .query_pairs()
        .map(|(key, value)| {
            let part = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
            (part(&key), part(&value))
        })
        .collect();
    query.sort_unstable();
    let query: Vec<_> = query
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method,
        request.url.path(),
        query.join("&")
    );
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
            id: "AKIDEXAMPLE".to_owned(),
            secret: Zeroizing::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
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
}

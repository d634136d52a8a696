//! The one HTTP client: bounded in bytes, time and redirects; credentials go to the host that they are for.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ureq::http::{HeaderName, Response, Uri, header};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use url::{Url, form_urlencoded};

use crate::{Access, FetchError, Limits};

/// As many as Go's client follows.
const MAX_REDIRECTS: usize = 10;

/// Asks servers in one way of transport.
pub(crate) struct Client {
    agent: Agent,
    limits: Limits,
}

/// What is asked for.
pub(crate) struct Request<'r> {
    pub(crate) url: &'r Url,
    /// The header `Accept`, if there is one.
    pub(crate) accept: &'r str,
    /// The header `Authorization`, for the host of the URL alone.
    pub(crate) authorization: Option<&'r str>,
    /// Most bytes of the body.
    pub(crate) max: u64,
}

/// What a server answered at last.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The words of the status.
    pub(crate) words: String,
    /// Whether it is of the server that was asked, and of none that this one has led to.
    pub(crate) is_own: bool,
    /// `WWW-Authenticate`, each of them.
    pub(crate) challenges: Vec<String>,
    /// `Link`.
    pub(crate) link: Option<String>,
    /// `Retry-After`.
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(access: &Access, limits: &Limits) -> Result<Self, FetchError> {
        let tls = TlsConfig::builder()
            .root_certs(roots(access.ca_file.as_deref())?)
            .client_cert(client_certificate(access)?)
            .disable_verification(access.insecure)
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("openflux/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self {
            agent,
            limits: *limits,
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Fetches what has to be there: any other status than 200 is an error.
    pub(crate) fn fetch(&self, request: &Request<'_>) -> Result<Vec<u8>, FetchError> {
        let answer = self.send(request)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(FetchError::Status {
            url: shown(request.url),
            status: format!("{} {}", answer.status, answer.words),
        })
    }

    /// Asks, and follows redirects.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer, FetchError> {
        let start = Instant::now();
        let mut next = request.url.clone();
        let own = basic_of(request.url);
        let authorization = request.authorization.or(own.as_deref());
        let failed = |reason: String| FetchError::Network {
            url: shown(request.url),
            reason,
        };
        for _ in 0..=MAX_REDIRECTS {
            let left = self.limits.time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(failed(format!("no answer within {:?}", self.limits.time)));
            }
            let uri: Uri = without_credentials(&next)
                .as_str()
                .parse()
                .map_err(|error| failed(format!("{error}")))?;
            let mut get = self.agent.get(uri);
            if !request.accept.is_empty() {
                get = get.header(header::ACCEPT, request.accept);
            }
            if let Some(authorization) = authorization.filter(|_| same_origin(request.url, &next)) {
                get = get.header(header::AUTHORIZATION, authorization);
            }
            let answer = get.config().timeout_global(Some(left)).build().call();
            let answer = answer.map_err(|error| failed(error.to_string()))?;
            let status = answer.status();
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
                && let Some(location) = texts(&answer, header::LOCATION).pop()
            {
                next = next
                    .join(&location)
                    .map_err(|error| failed(format!("redirected to nowhere: {error}")))?;
                if !matches!(next.scheme(), "http" | "https") {
                    let scheme = go_std::quote(next.scheme());
                    return Err(failed(format!("unsupported protocol scheme {scheme}")));
                }
                continue;
            }
            let is_own = same_origin(request.url, &next);
            return read(answer, is_own, request.max).map_err(failed);
        }
        Err(failed(format!("stopped after {MAX_REDIRECTS} redirects")))
    }

    /// Sends a form; nobody else gets it, so redirects are not followed.
    pub(crate) fn post(&self, url: &Url, form: &[(&str, &str)], max: u64) -> Result<Answer, FetchError> {
        let failed = |reason: String| FetchError::Network {
            url: shown(url),
            reason,
        };
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let uri: Uri = without_credentials(url)
            .as_str()
            .parse()
            .map_err(|error| failed(format!("{error}")))?;
        let post = self
            .agent
            .post(uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let post = post.config().timeout_global(Some(self.limits.time)).build();
        let answer = post.send(body).map_err(|error| failed(error.to_string()))?;
        read(answer, true, max).map_err(failed)
    }
}

/// Reads an answer with all that it says.
fn read(answer: Response<Body>, is_own: bool, max: u64) -> Result<Answer, String> {
    let status = answer.status();
    let challenges = texts(&answer, header::WWW_AUTHENTICATE);
    let link = texts(&answer, header::LINK).pop();
    let retry_after = texts(&answer, header::RETRY_AFTER).pop();
    let mut body = Vec::new();
    let mut reader = answer.into_body().into_reader().take(max.saturating_add(1));
    reader.read_to_end(&mut body).map_err(|error| error.to_string())?;
    if body.len() as u64 > max {
        return Err(format!("the answer is larger than the maximum size {max}"));
    }
    Ok(Answer {
        status: status.as_u16(),
        words: status.canonical_reason().unwrap_or_default().to_owned(),
        is_own,
        challenges,
        link,
        retry_after,
        body,
    })
}

/// What the headers of one name say.
fn texts(answer: &Response<Body>, name: HeaderName) -> Vec<String> {
    let values = answer.headers().get_all(name).iter();
    values
        .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
        .collect()
}

/// The header for basic authentication, if both a name and a password are there, as in Helm.
pub(crate) fn basic(username: &str, password: &str) -> Option<String> {
    let given = !username.is_empty() && !password.is_empty();
    given.then(|| basic_header(username, password))
}

/// The header for basic authentication.
pub(crate) fn basic_header(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// The same of the name and the password that a URL holds.
fn basic_of(url: &Url) -> Option<String> {
    let password = url.password().unwrap_or_default();
    if url.username().is_empty() && password.is_empty() {
        return None;
    }
    let mut login: Vec<u8> = percent_decode_str(url.username()).collect();
    login.push(b':');
    login.extend(percent_decode_str(password));
    Some(format!("Basic {}", STANDARD.encode(login)))
}

/// Whether two URLs are of the same scheme, host and port, so that one gets the credentials of the other.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    let origin = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host_str().map(str::to_owned),
            url.port_or_known_default(),
        )
    };
    origin(a) == origin(b)
}

/// A URL as messages may show it.
pub(crate) fn shown(url: &Url) -> String {
    without_credentials(url).to_string()
}

/// A URL as messages may show it: without what its part for credentials holds; anything else as it is.
#[must_use]
pub fn without_password(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => shown(&parsed),
        _ => url.to_owned(),
    }
}

fn without_credentials(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both succeed for every URL that has a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

/// What the system trusts, or the certificates of a file in its place.
fn roots(file: Option<&Path>) -> Result<RootCerts, FetchError> {
    let Some(file) = file else {
        let certificates = rustls_native_certs::load_native_certs().certs;
        let certificates = certificates
            .iter()
            .map(|der| Certificate::from_der(der).to_owned());
        return Ok(RootCerts::from(certificates.collect::<Vec<_>>()));
    };
    let (certificates, _) = pem(file)?;
    if certificates.is_empty() {
        return Err(unusable(file, "it holds no certificate"));
    }
    Ok(RootCerts::from(certificates))
}

fn client_certificate(access: &Access) -> Result<Option<ClientCert>, FetchError> {
    let (Some(certificate), Some(key)) = (&access.cert_file, &access.key_file) else {
        return Ok(None);
    };
    let (chain, _) = pem(certificate)?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate"));
    }
    let (_, private) = pem(key)?;
    let private = private.ok_or_else(|| unusable(key, "it holds no private key"))?;
    Ok(Some(ClientCert::new_with_certs(&chain, private)))
}

/// The certificates and the first key of a file.
fn pem(file: &Path) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>), FetchError> {
    let text = fs::read(file).map_err(|error| unusable(file, &error.to_string()))?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&text) {
        match item.map_err(|error| unusable(file, &error.to_string()))? {
            PemItem::Certificate(certificate) => certificates.push(certificate),
            PemItem::PrivateKey(found) => key = key.or(Some(found)),
            _ => {}
        }
    }
    Ok((certificates, key))
}

fn unusable(file: &Path, reason: &str) -> FetchError {
    FetchError::File {
        path: file.display().to_string(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_one_origin() {
        let url = |text: &str| Url::parse(text).unwrap();
        let repository = url("https://charts.test/a");
        for (other, same) in [
            ("https://charts.test:443/b", true),
            ("http://charts.test/b", false),
            ("https://charts.test:444/b", false),
            ("https://other.test/b", false),
        ] {
            assert_eq!(same_origin(&repository, &url(other)), same, "{other}");
        }
        assert_eq!(basic("a", ""), None);
        assert_eq!(basic("a", "b").as_deref(), Some("Basic YTpi"));
        assert_eq!(
            basic_of(&url("https://a:b%3A@charts.test")).as_deref(),
            Some("Basic YTpiOg==")
        );
        assert_eq!(basic_of(&repository), None);
        assert_eq!(
            without_password("https://u:p@charts.test/a"),
            "https://charts.test/a"
        );
        assert_eq!(without_password("https://charts.test"), "https://charts.test");
        assert_eq!(shown(&url("https://u:p@charts.test/a")), "https://charts.test/a");
    }
}

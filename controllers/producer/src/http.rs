//! A client for authors: guarded, bounded, and with what a Secret says about who asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller_kit::http::{Client, Guard, HttpError};
use flux_archive::{Body, Files, Form, Limits};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use url::Url;

use crate::answers::{FAILED, answered, lasting, passing, shown};
use crate::{Failure, Fate};

/// How long a server may send nothing of a body.
const IDLE: Duration = Duration::from_secs(30);
/// Most redirects that are followed.
const HOPS: usize = 5;

/// Headers that the client alone decides about.
const DENIED: [&str; 8] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "range",
    "accept-encoding",
    "upgrade",
    "te",
];

/// What authors may fetch with [`Run::http`](crate::Run::http).
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Which hosts may be asked.
    pub guard: Guard,
    /// The longest body.
    pub max_bytes: u64,
    /// How much a body may unpack to.
    pub unpack: Limits,
}

/// The client of a controller, and its bounds.
#[derive(Clone)]
pub(crate) struct Fetching {
    client: Arc<Client>,
    max_bytes: u64,
    unpack: Limits,
}

impl Fetching {
    pub(crate) fn new(settings: &FetchSettings) -> std::io::Result<Self> {
        Ok(Self {
            client: Arc::new(Client::with_proxies(settings.guard.clone())?),
            max_bytes: settings.max_bytes,
            unpack: settings.unpack,
        })
    }
}

/// A client that asks servers for one source.
pub struct Http {
    fetching: Fetching,
    headers: HeaderMap,
}

/// What a server answered, with success.
pub struct Response {
    url: String,
    body: Incoming,
    fetching: Fetching,
}

impl Http {
    pub(crate) fn new(fetching: Fetching, headers: HeaderMap) -> Self {
        Self { fetching, headers }
    }

    /// Asks for a URL; anything but success is a failure whose fate is that of its status.
    ///
    /// # Errors
    /// The URL must not be asked, nobody answers, or the answer is no success.
    pub async fn get(&self, url: &str) -> Result<Response, Failure> {
        // It may hold a secret, and nobody knows where.
        let invalid = |error| lasting("URLInvalid", format!("a URL cannot be read: {error}"));
        let mut url = Url::parse(url).map_err(invalid)?;
        let mut headers = self.headers.clone();
        for _ in 0..=HOPS {
            if !url.username().is_empty() || url.password().is_some() {
                let message = "a URL has a user or a password, which belong into a Secret";
                return Err(lasting("URLInvalid", message));
            }
            let name = shown(&url);
            let sent = match self.fetching.client.send(&url, headers.clone(), None) {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            let response = sent.map_err(|error| match error {
                HttpError::Refused(_) => lasting("URLInvalid", format!("GET {name}: {error}")),
                HttpError::Failed(_) => passing(format!("GET {name}: {error}")),
            })?;
            let status = response.status();
            if status == StatusCode::OK {
                return self.body(name, response);
            }
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Err(answered(&name, status, response.headers(), ""));
            }
            let failed = |why: &str| lasting(FAILED, format!("GET {name} answered {status}: {why}"));
            let location = response.headers().get(header::LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| failed("it leads nowhere"))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(failed("it leads from https to http"));
            }
            if next.origin() != url.origin() {
                headers.clear();
            }
            url = next;
        }
        Err(lasting(
            FAILED,
            format!("GET {} was redirected too often", shown(&url)),
        ))
    }

    fn body(&self, url: String, response: http::Response<Incoming>) -> Result<Response, Failure> {
        match response.headers().get(header::CONTENT_ENCODING) {
            Some(encoding) if encoding != "identity" => {
                let text = format!("GET {url}: the body has a Content-Encoding, which nobody asked for");
                Err(lasting(FAILED, text))
            }
            _ => Ok(Response {
                url,
                body: response.into_body(),
                fetching: self.fetching.clone(),
            }),
        }
    }
}

impl Response {
    /// Gives the body, which may have `max` bytes.
    ///
    /// # Errors
    /// It is longer, or breaks off.
    pub async fn bytes(self, max: u64) -> Result<Vec<u8>, Failure> {
        let (mut body, mut bytes) = (self.body, Vec::new());
        let url = self.url;
        loop {
            let frame = tokio::time::timeout(IDLE, body.frame()).await;
            let frame = frame.map_err(|_| passing(format!("GET {url}: nothing came for {IDLE:?}")))?;
            let Some(frame) = frame else { return Ok(bytes) };
            let frame = frame.map_err(|error| passing(format!("GET {url}: the body broke off: {error}")))?;
            if let Ok(piece) = frame.into_data() {
                if (bytes.len() + piece.len()) as u64 > max {
                    let text = format!("GET {url}: the body is longer than {max} bytes");
                    return Err(lasting("LimitExceeded", text));
                }
                bytes.extend_from_slice(&piece);
            }
        }
    }

    /// Gives the body as text, which may have `max` bytes.
    ///
    /// # Errors
    /// It is longer, breaks off, or is no UTF-8.
    pub async fn text(self, max: u64) -> Result<String, Failure> {
        let url = self.url.clone();
        let bytes = self.bytes(max).await?;
        String::from_utf8(bytes)
            .map_err(|_| lasting("InvalidContent", format!("GET {url}: the body is no text")))
    }

    /// Reads the body, which may have `max` bytes, as JSON.
    ///
    /// # Errors
    /// It is longer, breaks off, or is not what is asked for.
    pub async fn json<T: DeserializeOwned>(self, max: u64) -> Result<T, Failure> {
        let url = self.url.clone();
        let bytes = self.bytes(max).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            lasting(
                "InvalidContent",
                format!("GET {url}: the body cannot be read: {error}"),
            )
        })
    }

    /// Unpacks the body: tar, tar.gz or zip, within the limits of the process.
    ///
    /// # Errors
    /// It is no archive, or more than is allowed.
    pub async fn archive(self) -> Result<Files, Failure> {
        let (url, limits, max) = (self.url.clone(), self.fetching.unpack, self.fetching.max_bytes);
        let bytes = self.bytes(max).await?;
        let unpacking = tokio::task::spawn_blocking(move || Body::read(&bytes, Form::Archive, "", limits));
        let read = unpacking.await.map_err(|error| {
            Failure::new(Fate::Bug, "InternalError", format!("unpacking panicked: {error}"))
        })?;
        let body = read.map_err(|error| lasting("InvalidContent", format!("GET {url}: {error}")))?;
        Ok(body.files)
    }
}

/// Gives the headers that a Secret asks for: `username` and `password`, `bearerToken`, `header.NAME`.
///
/// # Errors
/// What is wrong with the Secret.
pub fn http_headers(data: &BTreeMap<String, Vec<u8>>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let sensitive = |bytes: &[u8], key: &str| {
        let value = HeaderValue::from_bytes(bytes);
        let mut value =
            value.map_err(|_| format!("the value of {key} has a line break or a control character"))?;
        value.set_sensitive(true);
        Ok::<_, String>(value)
    };
    match (data.get("username"), data.get("password")) {
        (Some(username), Some(password)) => {
            let pair = [&username[..], b":", &password[..]].concat();
            let value = format!("Basic {}", STANDARD.encode(pair));
            headers.insert(header::AUTHORIZATION, sensitive(value.as_bytes(), "username")?);
        }
        (None, None) => {}
        _ => return Err("username and password belong together".to_owned()),
    }
    if let Some(token) = data.get("bearerToken") {
        if headers.contains_key(header::AUTHORIZATION) {
            return Err("bearerToken and username exclude each other".to_owned());
        }
        let value = [b"Bearer ", &token[..]].concat();
        headers.insert(header::AUTHORIZATION, sensitive(&value, "bearerToken")?);
    }
    for (key, value) in data {
        let Some(name) = key.strip_prefix("header.") else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        if DENIED.contains(&lower.as_str()) || lower.starts_with("if-") || lower.starts_with("proxy-") {
            return Err(format!("{key} names a header that the controller decides about"));
        }
        let parsed: HeaderName = lower
            .parse()
            .map_err(|_| format!("{key} is no name of a header"))?;
        headers.insert(parsed, sensitive(value, key)?);
    }
    if headers.is_empty() {
        return Err("it has neither username and password, nor bearerToken, nor header.NAME".to_owned());
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_headers() {
        let read = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let data = pairs.map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
            http_headers(&data.collect())
        };
        let basic = read(&[("username", "a"), ("password", "b")]).expect("headers");
        assert_eq!(basic[header::AUTHORIZATION], "Basic YTpi");
        let bearer = read(&[("bearerToken", "t"), ("header.X-Api-Key", "k")]).expect("headers");
        assert_eq!(
            (&bearer[header::AUTHORIZATION], &bearer["x-api-key"]),
            (
                &HeaderValue::from_static("Bearer t"),
                &HeaderValue::from_static("k")
            )
        );
        for malformed in [
            &[("username", "a")][..],
            &[("other", "a")],
            &[],
            &[("header.Host", "evil")],
            &[("header.If-None-Match", "x")],
            &[("header.Range", "bytes=0-")],
            &[("header.a b", "x")],
            &[("header.X-A", "x\r\nHost: evil")],
            &[("bearerToken", "t\n")],
            &[("bearerToken", "t"), ("username", "a"), ("password", "b")],
        ] {
            assert!(read(malformed).is_err(), "{malformed:?}");
        }
    }
}

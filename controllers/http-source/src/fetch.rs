//! Asking a server: hop by hop, conditionally, and with bounds on what it sends.

use std::collections::HashMap;
use std::io::{Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Redirects;
use artifact_producer::Failure;
use artifact_producer::answers::{answered, lasting, passing, shown};
use controller_kit::http::{Client, TenantOptions};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tempfile::SpooledTempFile;
use url::Url;

use crate::Settings;
use crate::credentials::Credentials;
use crate::outcome::{printable, unanswered};
use crate::request::{Request, same_origin};
use crate::upstream::Upstream;

/// Most redirects that are followed.
const HOPS: usize = 5;
/// How long a server may send nothing of a body.
const IDLE: Duration = Duration::from_secs(30);
/// Longest list of check sums.
const LIST: u64 = 1 << 20;
/// Longest body that is not written to a disk: a server without validators sends its body at each look.
const IN_MEMORY: usize = 256 << 10;
/// Longest value of a header that is kept.
const VALIDATOR: usize = 1024;

/// Asks the server of one source.
pub(crate) struct Fetcher<'a> {
    settings: &'a Settings,
    request: &'a Request,
    credentials: &'a Credentials,
    client: Arc<Client>,
    /// Without the certificate of who asks, for other servers.
    elsewhere: Arc<Client>,
}

/// Most clients that are kept.
const CLIENTS: usize = 64;

/// Clients by what tenants say about the way to their servers, so that connections are used again; safe to lose.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<TenantOptions, Arc<Client>>>);

impl Clients {
    fn get(&self, settings: &Settings, options: &TenantOptions) -> Result<Arc<Client>, Failure> {
        let mut clients = self.0.lock();
        if let Some(client) = clients.get(options) {
            return Ok(Arc::clone(client));
        }
        let client = Client::for_tenant(settings.guard(), options);
        let client = client.map_err(|error| lasting("SecretInvalid", error.to_string()))?;
        let client = Arc::new(client);
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(options.clone(), Arc::clone(&client));
        Ok(client)
    }
}

/// What a server has.
pub(crate) enum Fetched {
    /// What it had.
    NotModified,
    /// A body, in memory, or in a file that is gone once it is closed.
    Body(SpooledTempFile, Upstream),
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        clients: &Clients,
        request: &'a Request,
        credentials: &'a Credentials,
    ) -> Result<Self, Failure> {
        let anonymous = TenantOptions {
            identity: None,
            ..credentials.options.clone()
        };
        Ok(Self {
            settings,
            request,
            credentials,
            client: clients.get(settings, &credentials.options)?,
            elsewhere: clients.get(settings, &anonymous)?,
        })
    }

    /// Fetches the body, unless it is the one that is `known`.
    pub(crate) async fn body(&self, known: Option<&Upstream>) -> Result<Fetched, Failure> {
        let mut conditions = HeaderMap::new();
        if let Some(known) = known {
            let (name, validator) = match (&known.etag, &known.last_modified) {
                (Some(etag), _) => (header::IF_NONE_MATCH, Some(etag)),
                (None, last_modified) => (header::IF_MODIFIED_SINCE, last_modified.as_ref()),
            };
            if let Some(value) = validator.and_then(|text| HeaderValue::from_str(text).ok()) {
                conditions.insert(name, value);
            }
        }
        let (url, response) = self.ask(&self.request.url, &conditions).await?;
        if response.status() == StatusCode::NOT_MODIFIED && !conditions.is_empty() {
            return Ok(Fetched::NotModified);
        }
        let headers = response.headers();
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            (value.len() <= VALIDATOR).then(|| value.to_owned())
        };
        let upstream = Upstream {
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            digest: None,
        };
        let limit = self.request.max_bytes;
        let mut file = tempfile::spooled_tempfile(IN_MEMORY);
        let mut write = |piece: &[u8]| {
            file.write_all(piece)
                .map_err(|error| passing(format!("cannot keep a download: {error}")))
        };
        self.receive(
            &url,
            response,
            limit,
            "spec.maxSize, or --artifact-max-bytes of the controller",
            &mut write,
        )
        .await?;
        file.rewind()
            .map_err(|error| passing(format!("cannot read a download: {error}")))?;
        Ok(Fetched::Body(file, upstream))
    }

    /// Fetches a list of check sums.
    pub(crate) async fn list(&self, url: &Url) -> Result<String, Failure> {
        let (url, response) = self.ask(url, &HeaderMap::new()).await?;
        let mut list = Vec::new();
        let mut write = |piece: &[u8]| {
            list.extend_from_slice(piece);
            Ok(())
        };
        self.receive(
            &url,
            response,
            LIST,
            "nothing: lists of check sums are short",
            &mut write,
        )
        .await?;
        String::from_utf8(list)
            .map_err(|_| lasting("VerificationError", format!("{} is no text", shown(&url))))
    }

    /// Asks for a URL, and for where it leads to, until there is a body, or nothing new.
    async fn ask(&self, url: &Url, conditions: &HeaderMap) -> Result<(Url, Response<Incoming>), Failure> {
        let (mut url, mut trusted) = (url.clone(), same_origin(url, &self.request.url));
        for hop in 0..=HOPS {
            if let Some(refusal) = self.settings.refusal(&url) {
                return Err(lasting("URLInvalid", format!("{}: {refusal}", shown(&url))));
            }
            let mut headers = conditions.clone();
            let client = if trusted { &self.client } else { &self.elsewhere };
            if trusted {
                headers.extend(self.credentials.headers.clone());
            }
            let name = shown(&url);
            let sent = match client.send(&url, headers, None) {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            let response = sent.map_err(|error| unanswered(&name, &error, hop == 0))?;
            let status = response.status();
            let is_conditional = status == StatusCode::NOT_MODIFIED && !conditions.is_empty();
            if status == StatusCode::OK || is_conditional {
                return Ok((url, response));
            }
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Err(refused(&name, response).await);
            }
            let next = self.redirect(&url, &response)?;
            // Whoever is told once that it is somebody else is told nothing more.
            trusted = trusted && same_origin(&url, &next);
            url = next;
        }
        Err(lasting(
            "FetchFailed",
            format!(
                "GET {} leads to more than {HOPS} others",
                shown(&self.request.url)
            ),
        ))
    }

    /// Where a redirect leads to, if it is followed.
    fn redirect(&self, url: &Url, response: &Response<Incoming>) -> Result<Url, Failure> {
        let name = shown(url);
        let failed = |why: &str| {
            lasting(
                "FetchFailed",
                format!("GET {name} answered {}: {why}", response.status()),
            )
        };
        if self.request.redirects == Redirects::None {
            return Err(failed("redirects are not followed (spec.redirects)"));
        }
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        let mut next = next.ok_or_else(|| failed("it leads nowhere"))?;
        next.set_fragment(None);
        if url.scheme() == "https" && next.scheme() != "https" {
            return Err(failed("it leads from https to http"));
        }
        if self.request.redirects == Redirects::SameHost && next.host() != url.host() {
            return Err(failed("it leads to another host (spec.redirects)"));
        }
        Ok(next)
    }

    /// Hands the pieces of a body to `write`.
    async fn receive(
        &self,
        url: &Url,
        response: Response<Incoming>,
        limit: u64,
        raise: &str,
        write: &mut (dyn FnMut(&[u8]) -> Result<(), Failure> + Send),
    ) -> Result<(), Failure> {
        let name = shown(url);
        if let Some(encoding) = response.headers().get(header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            let encoding = printable(encoding.as_bytes());
            let text =
                format!("GET {name}: the body has the Content-Encoding {encoding:?}, which nobody asked for");
            return Err(lasting("FetchFailed", text));
        }
        let too_long = || {
            let text =
                format!("GET {name}: the body is longer than {limit} bytes; to allow more, raise {raise}");
            lasting("LimitExceeded", text)
        };
        let announced = response.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|announced| announced > limit) {
            return Err(too_long());
        }
        let (mut body, mut received) = (response.into_body(), 0_u64);
        loop {
            let frame = tokio::time::timeout(IDLE, body.frame()).await;
            let frame = frame.map_err(|_| passing(format!("GET {name}: nothing came for {IDLE:?}")))?;
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_err(|error| {
                passing(format!(
                    "GET {name}: the body broke off after {received} bytes: {error}"
                ))
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            received += piece.len() as u64;
            if received > limit {
                return Err(too_long());
            }
            write(&piece)?;
        }
    }
}

/// What an answer that is no body says; a little of its text is read for that.
async fn refused(name: &str, response: Response<Incoming>) -> Failure {
    let (status, headers) = (response.status(), response.headers().clone());
    let is_text = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let mut said = Vec::new();
    if is_text {
        let mut body = response.into_body();
        let frame = tokio::time::timeout(Duration::from_secs(2), body.frame()).await;
        if let Ok(Some(Ok(frame))) = frame
            && let Ok(piece) = frame.into_data()
        {
            said = piece.to_vec();
        }
    }
    answered(name, status, &headers, &printable(&said))
}

//! GET and POST over pooled connections.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{self, ResponseFuture};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use url::{Host, Url};

use super::dial::Dial;
use super::resolve::GuardedResolver;
use super::tenant::system_tls;
use super::{Guard, Refused, TenantError, TenantOptions};

const USER_AGENT: &str = concat!("openflux/", env!("CARGO_PKG_VERSION"));
/// How long connecting may take.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The host must not be asked.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The connection failed, or something that is no HTTP came over it.
    #[error("{0}")]
    Failed(String),
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Where it redirects to, as it says.
    pub location: Option<String>,
    /// What it says that the body is.
    pub content_type: Option<String>,
    body: Incoming,
}

impl Answer {
    /// Waits for the next piece of the body; there is none at its end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(|error| failed(&error))?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// Sends requests to hosts that its guard allows.
#[derive(Debug)]
pub struct Client {
    http: legacy::Client<HttpsConnector<Dial>, Full<Bytes>>,
    guard: Arc<Guard>,
    proxies: Option<Arc<Matcher>>,
}

impl Client {
    /// Creates a client that trusts the system's certificate authorities, and connects to every host itself.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(guard: Guard) -> io::Result<Self> {
        Self::through(guard, None)
    }

    /// Creates a client that also uses the proxies of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`), for
    /// hosts outside of the cluster.
    ///
    /// A proxy resolves names by itself: of what goes through it the guard judges what the URL says, and no more.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn with_proxies(guard: Guard) -> io::Result<Self> {
        Self::through(guard, Some(Arc::new(Matcher::from_env())))
    }

    fn through(guard: Guard, proxies: Option<Arc<Matcher>>) -> io::Result<Self> {
        let guard = Arc::new(guard);
        let connector = Dial::new(GuardedResolver::new(Arc::clone(&guard)), proxies.clone(), false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(system_tls()?);
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        Ok(Self::over(guard, connector, proxies))
    }

    /// Creates a client with what a tenant says about certificates and proxies. The guard judges the proxy as well.
    ///
    /// # Errors
    /// See [`TenantError`].
    pub fn for_tenant(guard: Guard, options: &TenantOptions) -> Result<Self, TenantError> {
        let tls = options.tls()?;
        let guard = Arc::new(guard);
        let own = options.proxy(&guard)?.map(Arc::new);
        let is_own = own.is_some();
        let proxies = own.or_else(|| Some(Arc::new(Matcher::from_env())));
        let connector = Dial::new(GuardedResolver::new(Arc::clone(&guard)), proxies.clone(), is_own);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        Ok(Self::over(guard, connector, proxies))
    }

    fn over(guard: Arc<Guard>, connector: HttpsConnector<Dial>, proxies: Option<Arc<Matcher>>) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .build(connector);
        Self { http, guard, proxies }
    }

    /// Begins a GET, or a POST of a body; the body of the answer is the caller's to bound, and redirects are the caller's
    /// to follow.
    ///
    /// # Errors
    /// The URL is refused, or is none that HTTP has.
    pub fn send(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<impl Future<Output = Result<Response<Incoming>, HttpError>> + use<>, HttpError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        self.request(method, url, headers, body.unwrap_or_default())
    }

    /// Begins a request as [`Client::send`] does, of any method.
    ///
    /// # Errors
    /// The URL is refused, or is none that HTTP has.
    pub fn request(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<impl Future<Output = Result<Response<Incoming>, HttpError>> + use<>, HttpError> {
        self.guard.check_url(url)?;
        let request = Request::builder().method(method).uri(url.as_str());
        let mut request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let own = request.headers_mut();
        own.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        own.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        own.extend(headers);
        if let Some(credentials) = self.proxy_credentials(request.uri()) {
            request
                .headers_mut()
                .insert(header::PROXY_AUTHORIZATION, credentials);
        }
        let sent: ResponseFuture = self.http.request(request);
        Ok(async move { sent.await.map_err(|error| failed(&error)) })
    }

    /// What a proxy wants to know that is told the whole URL; one that makes a tunnel is told before.
    fn proxy_credentials(&self, target: &Uri) -> Option<HeaderValue> {
        let plain = target.scheme_str() == Some("http");
        let proxy = self.proxies.as_ref().filter(|_| plain)?.intercept(target)?;
        proxy.basic_auth().cloned()
    }

    /// Sends a request as [`Client::send`] does, with headers of which one that cannot be sent is an error.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn ask(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Result<Answer, HttpError> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().map_err(|error| failed(&error))?;
            all.insert(name, value.parse().map_err(|error| failed(&error))?);
        }
        let response = self.send(url, all, body.map(Bytes::from))?.await?;
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        Ok(Answer {
            status: response.status(),
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            body: response.into_body(),
        })
    }

    /// Gives the addresses of a host that may be connected to, for a program that connects by itself; `None` where a
    /// proxy connects for it.
    ///
    /// # Errors
    /// The host is refused or unknown.
    pub async fn addresses(
        &self,
        scheme: &str,
        host: &str,
        port: u16,
    ) -> Result<Option<Vec<IpAddr>>, HttpError> {
        let parsed = Host::parse(host).or_else(|error| {
            // Addresses without brackets, as everything but a URL has them.
            host.parse().map(Host::Ipv6).map_err(|_| failed(&error))
        })?;
        let borrowed = match &parsed {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        self.guard.check_host(&borrowed, Some(port))?;
        let target = format!("{scheme}://{parsed}:{port}/").parse::<Uri>();
        let target = target.map_err(|error| failed(&error))?;
        let proxies = self.proxies.as_ref();
        if proxies.and_then(|proxies| proxies.intercept(&target)).is_some() {
            return Ok(None);
        }
        let addresses = match borrowed {
            Host::Ipv4(address) => vec![address.into()],
            Host::Ipv6(address) => vec![address.into()],
            Host::Domain(name) => GuardedResolver::new(Arc::clone(&self.guard))
                .addresses(name)
                .await
                .map_err(|error| failed(&error))?,
        };
        Ok(Some(addresses))
    }
}

fn failed(error: &dyn std::error::Error) -> HttpError {
    HttpError::Failed(error_text(error))
}

/// Joins an error with its causes; hyper's own text rarely says what happened.
pub(crate) fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::HostList;

    /// Answers one request after the other with the same text.
    async fn serve(answer: String) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    async fn get(hosts: &[&str], url: &str) -> Result<Answer, HttpError> {
        let listed = (!hosts.is_empty()).then(|| HostList::parse(hosts.iter().copied()).expect("patterns"));
        let client = Client::new(Guard::new(listed, "--hosts")).expect("certificates");
        let url = Url::parse(url).expect("a URL");
        client.ask(&url, &[], None).await
    }

    #[tokio::test]
    async fn neither_an_address_nor_a_name_leads_to_this_machine() {
        let port =
            serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi".to_owned()).await;
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{port}/");
            let error = get(&[], &url).await.unwrap_err().to_string();
            assert!(error.contains("an address of this machine"), "{error}");
            let mut answer = get(&["127.0.0.0/8", "::1"], &url).await.expect("an answer");
            let piece = answer.piece().await.expect("a piece");
            assert_eq!(piece.as_deref(), Some(&b"hi"[..]));
            assert_eq!(answer.piece().await.expect("the end"), None);
        }
        let error = get(&["example.org"], "http://example.com/").await.unwrap_err();
        assert!(error.to_string().contains("not on the allow-list"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_told() {
        let port = serve("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
        let answer = get(&["127.0.0.1"], &format!("http://127.0.0.1:{port}/")).await;
        assert_eq!(answer.expect("an answer").location.as_deref(), Some("/b"));
    }
}

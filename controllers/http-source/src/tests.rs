//! Asking servers of all kinds.

use std::io::Read as _;
use std::sync::Arc;

use artifact_crd::{HttpSpec, Redirects};
use controller_kit::http::HostList;
use flux_archive::Limits;
use http::{HeaderValue, header};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::Settings;
use crate::credentials::Credentials;
use crate::fetch::{Clients, Fetched, Fetcher};
use crate::request::Request;
use crate::upstream::Upstream;

/// A server that answers each path in its own way, and keeps what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 8192];
                let length = stream.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
                let path = head.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
                kept.lock().push(head);
                let _ = stream.write_all(answer(&path).as_bytes()).await;
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn ok(headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn settings() -> Settings {
    Settings {
        hosts: Some(HostList::parse(["127.0.0.1"]).expect("a pattern")),
        allow_private: true,
        closed: Vec::new(),
        allow_http: true,
        max_bytes: 1000,
        unpack: Limits {
            bytes: 1 << 20,
            entries: 100,
        },
        own_address: String::new(),
    }
}

/// Fetches with a secret header; gives the body, or why there is none.
async fn fetch(url: &str, redirects: Redirects, known: Option<&Upstream>) -> Result<String, String> {
    fetch_through(None, url, redirects, known).await
}

/// The same through a proxy.
async fn fetch_through(
    proxy: Option<&str>,
    url: &str,
    redirects: Redirects,
    known: Option<&Upstream>,
) -> Result<String, String> {
    let (settings, mut credentials) = (settings(), Credentials::default());
    credentials.options.proxy = proxy.map(|proxy| proxy.parse().expect("a URL"));
    credentials.headers.insert(
        header::AUTHORIZATION,
        HeaderValue::from_static("Bearer secret-token"),
    );
    let spec = HttpSpec {
        url: url.to_owned(),
        redirects: Some(redirects),
        ..HttpSpec::default()
    };
    let told = |failure: artifact_producer::Failure| format!("{}: {}", failure.reason(), failure.message());
    let request = Request::read(&spec, &settings).map_err(told)?;
    let fetcher = Fetcher::new(&settings, &Clients::default(), &request, &credentials).map_err(told)?;
    match fetcher.body(known).await.map_err(told)? {
        Fetched::NotModified => Ok("not modified".to_owned()),
        Fetched::Body(mut file, upstream) => {
            let mut body = String::new();
            file.read_to_string(&mut body).expect("text");
            Ok(format!("{body} {:?}", upstream.etag.unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn validators_are_sent_back() {
    let server = Server::start(|_| ok("ETag: \"one\"\r\n", "text")).await;
    let url = server.url("/a");
    assert_eq!(
        fetch(&url, Redirects::Follow, None).await.as_deref(),
        Ok("text \"\\\"one\\\"\"")
    );
    let known = Upstream {
        etag: Some("\"one\"".to_owned()),
        last_modified: Some("Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
        digest: None,
    };
    assert!(fetch(&url, Redirects::Follow, Some(&known)).await.is_ok());
    let asked = server.asked.lock().clone();
    assert!(!asked[0].contains("if-none-match") && asked[0].contains("accept-encoding: identity"));
    assert!(asked[1].contains("if-none-match: \"one\"") && !asked[1].contains("if-modified-since"));

    let same = Server::start(|_| "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_owned()).await;
    let url = same.url("/a");
    assert_eq!(
        fetch(&url, Redirects::Follow, Some(&known)).await.as_deref(),
        Ok("not modified")
    );
    let lie = fetch(&url, Redirects::Follow, None).await;
    assert!(
        lie.is_err_and(|why| why.starts_with("FetchFailed")),
        "nobody asked whether it is the same"
    );
}

#[tokio::test]
async fn who_asks_is_told_to_the_first_server_alone() {
    let other = Server::start(|_| ok("", "elsewhere")).await;
    let to = other.url("/b");
    let server = Server::start(move |path| match path {
        "/away" => redirect(&to),
        "/near" => redirect("/c"),
        "/loop" => redirect("/loop"),
        "/nowhere" => redirect("http://169.254.169.254/latest"),
        "/kubelet" => redirect("http://127.0.0.1:10250/pods"),
        "/file" => redirect("file:///etc/passwd"),
        _ => ok("", "here"),
    })
    .await;
    let get = async |path: &str, redirects| fetch(&server.url(path), redirects, None).await;
    assert_eq!(
        get("/near", Redirects::SameHost).await.as_deref(),
        Ok("here \"\"")
    );
    assert_eq!(
        get("/away", Redirects::Follow).await.as_deref(),
        Ok("elsewhere \"\"")
    );
    assert!(
        server
            .asked
            .lock()
            .iter()
            .all(|head| head.contains("secret-token"))
    );
    assert!(
        other
            .asked
            .lock()
            .iter()
            .all(|head| !head.contains("secret-token"))
    );
    for (path, redirects, reason) in [
        ("/near", Redirects::None, "FetchFailed"),
        ("/loop", Redirects::Follow, "FetchFailed"),
        ("/nowhere", Redirects::Follow, "URLInvalid"),
        ("/nowhere", Redirects::SameHost, "FetchFailed"),
        ("/kubelet", Redirects::Follow, "URLInvalid"),
        ("/file", Redirects::Follow, "URLInvalid"),
    ] {
        let answer = get(path, redirects).await;
        assert!(
            answer.as_ref().is_err_and(|why| why.starts_with(reason)),
            "{path} {redirects:?}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_taken_as_they_are() {
    let long = "x".repeat(1001);
    let server = Server::start(move |path| match path {
        "/long" => ok("", &long),
        "/unannounced" => format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{long}"),
        "/encoded" => ok("Content-Encoding: gzip\r\n", "text"),
        "/short" => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\ntext".to_owned(),
        "/text" => "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\nout\x07of it".to_owned(),
        _ => ok("", "text"),
    })
    .await;
    for (path, expected) in [
        ("/long", "LimitExceeded"),
        ("/unannounced", "LimitExceeded"),
        ("/encoded", "FetchFailed"),
        ("/short", "FetchFailed"),
        ("/text", "FetchFailed: GET http://127.0.0.1:"),
    ] {
        let url = format!("{}?token=signature", server.url(path));
        let answer = fetch(&url, Redirects::Follow, None).await;
        let Err(why) = answer else {
            panic!("{path}: {answer:?}")
        };
        assert!(why.starts_with(expected), "{path}: {why}");
        assert!(!why.contains("signature") && !why.contains('\x07'), "{why}");
    }
}

#[tokio::test]
async fn a_proxy_is_told_the_whole_url_and_guarded_like_others() {
    let proxy = Server::start(|_| ok("", "by proxy")).await;
    let through = format!("http://user:word@127.0.0.1:{}", proxy.port);
    let get =
        async |proxy: &str| fetch_through(Some(proxy), "http://127.0.0.1:1/a", Redirects::Follow, None).await;
    assert_eq!(get(&through).await.as_deref(), Ok("by proxy \"\""));
    let asked = proxy.asked.lock()[0].clone();
    assert!(asked.starts_with("get http://127.0.0.1:1/a"), "{asked}");
    assert!(
        asked.contains("proxy-authorization: basic dxnlcjp3b3jk"),
        "{asked}"
    );
    let refused = get("http://169.254.169.254:3128").await;
    assert!(refused.is_err_and(|why| why.starts_with("SecretInvalid")));
}

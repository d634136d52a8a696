//! The file server as clients see it.

use std::collections::BTreeMap;
use std::fs;

use artifact_store::{
    Adopted, Certificates, Content, Place, ServerState, Store, StoreOptions, Stored, serve,
};
use flux_archive::File;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Server {
    address: String,
    folder: TempDir,
    store: Store,
    state: ServerState,
    shutdown: CancellationToken,
}

struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn place() -> Place {
    Place::new("Http", "apps", "web").expect("a place")
}

impl Server {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(tls: Option<Certificates>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let options = StoreOptions {
            reserve: 0,
            ..StoreOptions::new(folder.path(), &address, &["Http"])
        };
        let (store, _) = Store::open(options).expect("a volume");
        let (state, shutdown) = (ServerState::default(), CancellationToken::new());
        state.start_serving(store.clone());
        tokio::spawn(serve(listener, state.clone(), tls, shutdown.clone()));
        Self {
            address,
            folder,
            store,
            state,
            shutdown,
        }
    }

    fn publish(&self, content: &[u8]) -> (Stored, Vec<u8>) {
        let file = File {
            path: "app.yaml",
            content,
            executable: false,
        };
        let stored = self
            .store
            .put(&place(), &Content::Files(vec![file]))
            .expect("room");
        self.store.publish(&place(), &stored.file);
        let path = self.folder.path().join("http/apps/web").join(&stored.file);
        let bytes = fs::read(path).expect("the file");
        (stored, bytes)
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: files\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.expect("an answer");
        let at = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("headers");
        let head = String::from_utf8(bytes[..at].to_vec()).expect("text");
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": "));
        Reply {
            status: status.parse().expect("a number"),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: bytes[at + 4..].to_vec(),
        }
    }

    async fn status(&self, path: &str) -> u16 {
        self.ask("GET", path, "").await.status
    }
}

fn path(stored: &Stored) -> String {
    format!("/http/apps/web/{}", stored.file)
}

#[tokio::test]
async fn a_file_is_served_whole_in_part_and_by_its_head() {
    let server = Server::start().await;
    // Longer than one piece.
    let noise: Vec<u8> = (0..400_000_u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let (stored, bytes) = server.publish(&noise);
    let path = path(&stored);
    let whole = server.ask("GET", &path, "").await;
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    let etag = format!("\"{}\"", stored.digest);
    for (name, value) in [
        ("etag", etag.as_str()),
        ("content-length", &bytes.len().to_string()),
        ("content-type", "application/gzip"),
        ("cache-control", "public, max-age=31536000, immutable"),
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(whole.headers.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(whole.headers["repr-digest"].starts_with("sha-256=:"));
    assert!(!whole.headers.contains_key("content-encoding"));

    let compressed = server.ask("GET", &path, "Accept-Encoding: gzip\r\n").await;
    assert_eq!(
        (
            compressed.body == bytes,
            compressed.headers.get("content-encoding")
        ),
        (true, None)
    );
    let head = server.ask("HEAD", &path, "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], bytes.len().to_string());
    let part = server.ask("GET", &path, "Range: bytes=100-200099\r\n").await;
    assert_eq!((part.status, part.body == bytes[100..200_100]), (206, true));
    assert_eq!(
        part.headers["content-range"],
        format!("bytes 100-200099/{}", bytes.len())
    );
    let beyond = server.ask("GET", &path, "Range: bytes=99999999-\r\n").await;
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.headers["content-range"],
        format!("bytes */{}", bytes.len())
    );
    let known = server
        .ask("GET", &path, &format!("If-None-Match: \"x\", W/{etag}\r\n"))
        .await;
    assert_eq!(
        (known.status, known.body.len(), known.headers["etag"].as_str()),
        (304, 0, etag.as_str())
    );
    let since = format!("If-Modified-Since: {}\r\n", whole.headers["last-modified"]);
    assert_eq!(server.ask("GET", &path, &since).await.status, 304);
    assert_eq!(server.state.answers()[&304], 2);
    server.shutdown.cancel();
}

#[tokio::test]
async fn nothing_else_is_served() {
    let server = Server::start().await;
    let (stored, _) = server.publish(b"text");
    fs::write(server.folder.path().join("http/apps/web/other"), "x").expect("a file");
    let file = &stored.file;
    for path in [
        "/http".to_owned(),
        "/http/apps/web/".to_owned(),
        "/http/apps/web/other".to_owned(),
        "/LOCK".to_owned(),
        "/.index/http/apps/web".to_owned(),
        "/.tmp/x".to_owned(),
        format!("//http/apps/web/{file}"),
        format!("/http/apps/./web/{file}"),
        format!("/http/apps/x/../web/{file}"),
        format!("/http/apps/web/%2e%2e/web/{file}"),
        format!("/HTTP/apps/web/{file}"),
        format!("/http/apps/web/{file}/"),
        format!("/http/apps/web/{}", file.to_uppercase()),
        format!("/http/apps/web%252f{file}"),
        "/%ff".to_owned(),
    ] {
        assert_eq!(server.status(&path).await, 404, "{path}");
    }
    // Once decoded it is the same name; and what follows is no part of it.
    assert_eq!(
        server.status(&format!("/http/apps/%77eb/{file}?x=/../..")).await,
        200
    );
    for path in ["/", "/healthz"] {
        assert_eq!(server.status(path).await, 200, "{path}");
    }
    for method in ["POST", "DELETE", "OPTIONS"] {
        let reply = server.ask(method, &path(&stored), "").await;
        assert_eq!(
            (reply.status, reply.headers["allow"].as_str()),
            (405, "GET, HEAD")
        );
    }
}

#[tokio::test]
async fn who_asks_for_what_is_made_anew_is_told_to_come_back() {
    let server = Server::start().await;
    let (stored, _) = server.publish(b"text");
    let path = path(&stored);
    server.state.stop_serving();
    assert_eq!(server.ask("GET", &path, "").await.headers["retry-after"], "2");
    assert_eq!(server.status("/").await, 200, "it is a probe");
    server.state.start_serving(server.store.clone());

    let lost = "http://elsewhere/http/apps/lost/0.tar.gz";
    let gone = Place::new("Http", "apps", "lost").expect("a place");
    assert_eq!(server.store.adopt(&gone, lost), Adopted::Missing);
    let reply = server.ask("GET", "/http/apps/lost/0.tar.gz", "").await;
    assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (503, "5"));
    assert_eq!(server.status("/http/apps/lost/1.tar.gz").await, 404);
    server.store.remove(&gone);
    assert_eq!(server.status("/http/apps/lost/0.tar.gz").await, 404);

    // A file that somebody replaced by a link, or cut.
    let on_disk = server.folder.path().join("http/apps/web").join(&stored.file);
    fs::remove_file(&on_disk).expect("the file");
    std::os::unix::fs::symlink("/etc/hostname", &on_disk).expect("a link");
    assert_eq!(server.status(&path).await, 503);
    assert_eq!(server.status(&path).await, 503);
}

#[tokio::test]
async fn a_file_that_is_gone_is_found_to_be_by_who_asks_for_it() {
    let server = Server::start().await;
    let (stored, _) = server.publish(b"text");
    assert_eq!(server.status(&path(&stored)).await, 200);
    let on_disk = server.folder.path().join("http/apps/web").join(&stored.file);
    fs::remove_file(on_disk).expect("the file");
    assert_eq!(server.status(&path(&stored)).await, 503);
    assert_eq!(server.store.adopt(&place(), &stored.url), Adopted::Missing);
}

/// Writes a certificate of its own authority; gives it.
fn certificate(folder: &std::path::Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::write(folder.join("tls.crt"), made.cert.pem()).expect("a file");
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).expect("a file");
    made.cert.der().clone()
}

/// Asks over TLS; the answer, or why there is none.
async fn ask_trusting(
    authority: &rustls::pki_types::CertificateDer<'static>,
    address: &str,
) -> Result<String, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.clone()).expect("an authority");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    let mut stream = connector.connect(name, stream).await?;
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn over_tls_a_new_certificate_takes_the_place_of_the_old_one() {
    let secret = TempDir::new().expect("a folder");
    assert!(Certificates::load(secret.path()).is_err(), "there are no files");
    let first = certificate(secret.path());
    let server = Server::start_with(Some(Certificates::load(secret.path()).expect("certificates"))).await;
    let answer = ask_trusting(&first, &server.address).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    // Without TLS nobody gets anything.
    let mut plain = TcpStream::connect(&server.address).await.expect("connected");
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    // The key of somebody else is not taken.
    fs::write(secret.path().join("tls.key"), "no key").expect("a file");
    assert!(Certificates::load(secret.path()).is_err());
    let second = certificate(secret.path());
    let taken = async {
        while ask_trusting(&second, &server.address).await.is_err() {
            ask_trusting(&first, &server.address)
                .await
                .expect("the old one is still there");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, taken)
        .await
        .expect("a new certificate");
    server.shutdown.cancel();
}

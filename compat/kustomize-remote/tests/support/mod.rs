//! Repositories, the servers that have them, and networks to reach these.

#![expect(dead_code, reason = "each test file needs something else of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kustomize::{MemoryTree, Options, RemoteError, build};
use kustomize_remote::{Answer, Direct, Fetcher, Network, NetworkError, Policy, Request};
use tempfile::TempDir;

pub(crate) const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n";

pub(crate) fn git(at: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        git.env(format!("{who}_NAME"), "Test")
            .env(format!("{who}_EMAIL"), "test@example.test");
    }
    let output = git
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn write(at: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = at.join(path);
    fs::create_dir_all(path.parent().expect("a path in the repository")).expect("a directory");
    fs::write(path, text).expect("a file");
}

pub(crate) fn commit(at: &Path, message: &str) -> String {
    git(at, &["add", "--all"]);
    git(at, &["commit", "--quiet", "--message", message]);
    git(at, &["rev-parse", "HEAD"])
}

/// A repository with `base/` on its default branch, and another base at the tag `v1`.
pub(crate) fn repository() -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    let at = directory.path();
    git(at, &["init", "--quiet", "--initial-branch=main"]);
    write(
        at,
        "base/kustomization.yaml",
        "namePrefix: v1-\nresources: [service.yaml]\n",
    );
    write(at, "base/service.yaml", SERVICE);
    commit(at, "one");
    git(at, &["tag", "v1"]);
    write(
        at,
        "base/kustomization.yaml",
        "namePrefix: main-\nresources: [service.yaml]\n",
    );
    write(at, "large", "x".repeat(100_000));
    write(at, "outside/kustomization.yaml", "resources: [secret.yaml]\n");
    std::os::unix::fs::symlink("/etc/hostname", at.join("outside/secret.yaml")).expect("a link");
    commit(at, "two");
    directory
}

pub(crate) fn run(reference: &str, policy: Policy) -> Result<String, kustomize::Error> {
    run_through(reference, policy, Arc::new(Direct::default()))
}

pub(crate) fn run_through(
    reference: &str,
    policy: Policy,
    network: Arc<dyn Network>,
) -> Result<String, kustomize::Error> {
    let tree = MemoryTree::new().with("kustomization.yaml", format!("resources: [{reference:?}]\n"));
    let options = Options {
        remote: Some(Arc::new(Fetcher::new(policy, network))),
        ..Options::default()
    };
    build(&tree, "/", &options)?.to_yaml()
}

/// What an error says.
pub(crate) fn text(error: RemoteError) -> String {
    match error {
        RemoteError::Status(code, text) => format!("{code} {text}"),
        RemoteError::Failed(text) | RemoteError::TooLarge(text) | RemoteError::TimedOut(text) => text,
    }
}

/// A request, as a server reads it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Answers every request on its own connection with what `respond` makes of its path and its credentials.
pub(crate) fn serve(respond: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
    serve_bytes(move |asked| {
        let request = format!("{} {}", asked.path, asked.header("authorization"));
        respond(request.trim_end()).into_bytes()
    })
}

/// Answers every request on its own connection.
pub(crate) fn serve_bytes(respond: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    serve_pieces(move |asked| Box::new(std::iter::once(respond(asked))))
}

type Pieces = Box<dyn Iterator<Item = Vec<u8>>>;

/// Answers every request on its own connection, piece by piece.
pub(crate) fn serve_pieces(respond: impl Fn(&Asked) -> Pieces + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let respond = Arc::new(respond);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let respond = Arc::clone(&respond);
            thread::spawn(move || {
                let mut request = BufReader::new(stream.try_clone().expect("a connection"));
                let mut line = String::new();
                request.read_line(&mut line).expect("a request");
                let mut headers = BTreeMap::new();
                loop {
                    let mut header = String::new();
                    if request.read_line(&mut header).expect("a request") <= 2 {
                        break;
                    }
                    if let Some((name, value)) = header.split_once(": ") {
                        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                    }
                }
                let length = headers.get("content-length");
                let length = length.map_or(0, |length| length.parse().expect("a length"));
                let mut body = vec![0; length];
                request.read_exact(&mut body).expect("a body");
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                for piece in respond(&Asked { path, headers, body }) {
                    // A client that has seen enough may be gone.
                    if stream.write_all(&piece).is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn status(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

pub(crate) fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// The head of an answer of git's protocol, whose body ends with the connection.
pub(crate) fn git_head(kind: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-{kind}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Answers with a repository as `git http-backend` does, in the second version of the protocol or in the first.
pub(crate) fn git_answer(repository: &Path, asked: &Asked, is_v2: bool) -> Vec<u8> {
    let is_first = asked.path.ends_with("/info/refs?service=git-upload-pack");
    let is_post = asked.path.ends_with("/git-upload-pack") && !asked.body.is_empty();
    if !is_first && !is_post {
        return status("404 Not Found");
    }
    let mut git = Command::new("git");
    git.args(["upload-pack", "--stateless-rpc"]);
    if is_first {
        git.arg("--advertise-refs");
    }
    if is_v2 {
        git.env("GIT_PROTOCOL", asked.header("git-protocol"));
    }
    let mut child = git
        .arg(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&asked.body).expect("git reads");
    drop(input);
    let said = child.wait_with_output().expect("git ends").stdout;
    let head = git_head(if is_first { "advertisement" } else { "result" });
    let before: &[u8] = if is_first && !is_v2 {
        b"001e# service=git-upload-pack\n0000"
    } else {
        b""
    };
    [&head, before, &said].concat()
}

/// Serves all repositories below a folder by their names.
pub(crate) fn serve_repositories(root: &Path, is_v2: bool) -> u16 {
    let root = root.to_owned();
    serve_bytes(move |asked| {
        let name = asked.path.split('/').nth(1).unwrap_or_default();
        let name = name.strip_suffix(".git").unwrap_or(name);
        git_answer(&root.join(name), asked, is_v2)
    })
}

/// A network that knows one name besides the addresses of this machine, and can be given up.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    direct: Direct,
    pub(crate) cancelled: AtomicBool,
}

impl Judged {
    fn check(host: &str) -> Result<(), NetworkError> {
        match host {
            "git.test" | "127.0.0.1" => Ok(()),
            other => Err(NetworkError::Failed(format!("{other} is not asked"))),
        }
    }
}

impl Network for Judged {
    fn send(&self, request: &Request<'_>) -> Result<Answer, NetworkError> {
        let host = request.url.host_str().unwrap_or_default();
        Self::check(host)?;
        let mut here = request.url.clone();
        if here.host_str() == Some("git.test") {
            here.set_host(Some("127.0.0.1")).expect("a host");
        }
        self.direct.send(&Request {
            url: &here,
            authorization: request.authorization.clone(),
            body: request.body.clone(),
            ..*request
        })
    }

    fn judges(&self) -> bool {
        true
    }

    fn addresses(&self, _scheme: &str, host: &str, _port: u16) -> Result<Option<Vec<IpAddr>>, NetworkError> {
        Self::check(host)?;
        Ok(Some(vec![Ipv4Addr::LOCALHOST.into()]))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

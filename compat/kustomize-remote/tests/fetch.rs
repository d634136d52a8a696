//! A real git and a small HTTP server on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kustomize::{ErrorKind, MemoryTree, Options, Remote as _, RepoSpec, build};
use kustomize_remote::{Answer, Direct, Fetcher, Get, Network, NetworkError, Policy};
use tempfile::TempDir;

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n";

fn git(at: &Path, arguments: &[&str]) {
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
}

/// A repository with `base/` on its default branch, and another base at the tag `v1`.
fn repository() -> TempDir {
    let directory = TempDir::new().expect("a temporary directory");
    let at = directory.path();
    let write = |path: &str, text: &str| {
        let path = at.join(path);
        fs::create_dir_all(path.parent().expect("a path in the repository")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    git(at, &["init", "--quiet", "--initial-branch=main"]);
    write(
        "base/kustomization.yaml",
        "namePrefix: v1-\nresources: [service.yaml]\n",
    );
    write("base/service.yaml", SERVICE);
    git(at, &["add", "--all"]);
    git(at, &["commit", "--quiet", "--message=one"]);
    git(at, &["tag", "v1"]);
    write(
        "base/kustomization.yaml",
        "namePrefix: main-\nresources: [service.yaml]\n",
    );
    write("large", &"x".repeat(100_000));
    write("outside/kustomization.yaml", "resources: [secret.yaml]\n");
    std::os::unix::fs::symlink("/etc/hostname", at.join("outside/secret.yaml")).expect("a link");
    git(at, &["add", "--all"]);
    git(at, &["commit", "--quiet", "--message=two"]);
    directory
}

fn run(reference: &str, policy: Policy) -> Result<String, kustomize::Error> {
    run_through(reference, policy, Arc::new(Direct::default()))
}

fn run_through(
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

/// Answers every request on its own connection with what `respond` makes of its path.
fn serve(respond: impl Fn(&str) -> String + Send + 'static) -> u16 {
    serve_bytes(move |request, _| respond(request).into_bytes())
}

fn serve_bytes(respond: impl Fn(&str, &[u8]) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = BufReader::new(stream.try_clone().expect("a connection"));
            let mut line = String::new();
            request.read_line(&mut line).expect("a request");
            let mut authorization = String::new();
            let mut length = 0;
            loop {
                let mut header = String::new();
                if request.read_line(&mut header).expect("a request") <= 2 {
                    break;
                }
                match header.split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                        value.trim().clone_into(&mut authorization);
                    }
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.trim().parse().expect("a length");
                    }
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            request.read_exact(&mut body).expect("a body");
            let path = line.split(' ').nth(1).unwrap_or_default();
            let answer = respond(format!("{path} {authorization}").trim_end(), &body);
            // A client that has seen enough may be gone.
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_base_in_a_repository_is_built_at_its_reference() {
    let repository = repository();
    let url = format!("file://{}//base", repository.path().display());
    assert!(run(&url, Policy::default()).unwrap().contains("name: main-web"));
    let tagged = run(&format!("{url}?ref=v1&submodules=false"), Policy::default());
    assert!(tagged.unwrap().contains("name: v1-web"));
}

#[test]
fn failures_of_git_are_told_in_the_words_of_upstream() {
    let repository = repository();
    let url = format!("file://{}//base?ref=gone", repository.path().display());
    let error = run(&url, Policy::default()).unwrap_err().to_string();
    assert!(error.contains("git fetch --depth=1 file://"), "{error}");
    assert!(
        error.contains("couldn't find remote ref gone") && error.ends_with(": exit status 128"),
        "{error}"
    );
}

#[test]
fn errors_of_git_give_no_credentials_away() {
    let port = serve(|_| "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned());
    for credentials in [
        "user:hunter2",
        "hunter2",
        "user:hun/hunter2",
        "user:hun'hunter2",
        "user:x@hunter2",
    ] {
        for query in ["ref=main", "ref=main&sig=hunter2"] {
            let url = format!("http://{credentials}@127.0.0.1:{port}/a/b.git?{query}");
            let error = run(&url, Policy::default()).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("xxxxx") && error.contains("127.0.0.1"), "{error}");
        }
        let fetcher = Fetcher::new(Policy::default(), Arc::new(Direct::default()));
        let address = format!("http://{credentials}@127.0.0.1:{port}/a/b.git");
        if let Some(repo) = RepoSpec::parse(&address) {
            let Err(error) = fetcher.clone_repo(&repo) else {
                panic!("{address} is forbidden");
            };
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}

#[test]
fn a_clone_is_confined() {
    let repository = repository();
    let error = run(
        &format!("file://{}//outside", repository.path().display()),
        Policy::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("is not in or below"), "{error}");
    let option = format!(
        "file://{}//base?ref=--upload-pack=touch%20/tmp/x",
        repository.path().display()
    );
    let error = run(&option, Policy::default()).unwrap_err().to_string();
    assert!(error.contains("invalid git reference"), "{error}");
}

#[test]
fn a_clone_is_bounded() {
    let repository = repository();
    let policy = Policy {
        clone_bytes: 50_000,
        ..Policy::default()
    };
    let error = run(&format!("file://{}//base", repository.path().display()), policy).unwrap_err();
    assert!(
        error.to_string().contains("the clone is larger than 50000 bytes"),
        "{error}"
    );
}

#[test]
fn a_silent_server_does_not_hang_a_build() {
    // Accepts connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let policy = || Policy {
        get_time: Duration::from_millis(300),
        git_time: Duration::from_millis(300),
        ..Policy::default()
    };
    let start = Instant::now();
    let error = run(&format!("http://127.0.0.1:{port}/org/repo.git"), policy()).unwrap_err();
    assert!(error.to_string().contains("hit 300ms timeout running"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn submodules_come_along_unless_their_host_is_not_allowed() {
    let child = repository();
    let parent = TempDir::new().unwrap();
    git(parent.path(), &["init", "--quiet", "--initial-branch=main"]);
    let url = format!("http://127.0.0.1:1/{}", child.path().display());
    fs::write(
        parent.path().join(".gitmodules"),
        format!("[submodule \"child\"]\n\tpath = child\n\turl = {url}\n"),
    )
    .unwrap();
    let commit = "0123456789012345678901234567890123456789";
    git(
        parent.path(),
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{commit},child"),
        ],
    );
    git(parent.path(), &["add", ".gitmodules"]);
    git(parent.path(), &["commit", "--quiet", "--message=one"]);
    let policy = Policy {
        hosts: Some(vec!["github.com".to_owned()]),
        ..Policy::default()
    };
    let error = run(&format!("file://{}", parent.path().display()), policy).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("host \"127.0.0.1\" is not on the allow-list"),
        "{error}"
    );
}

#[test]
fn files_come_over_http() {
    let port = serve(|request| match request {
        "/service.yaml Basic dXNlcjpwYXNz" => ok(SERVICE),
        "/moved.yaml" => {
            "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/service.yaml\r\n\r\n".to_owned()
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
    });
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
    let with_password = format!("http://user:pass@127.0.0.1:{port}/service.yaml");
    assert_eq!(run(&with_password, Policy::default()).unwrap(), SERVICE);

    let error = run(&url("gone.yaml"), Policy::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Http);
    assert!(
        error
            .to_string()
            .ends_with("HTTP Error: status code 404 (Not Found)"),
        "{error}"
    );

    let here = Policy {
        hosts: Some(vec!["127.0.0.1".to_owned()]),
        ..Policy::default()
    };
    let error = run(&url("moved.yaml"), here).unwrap_err().to_string();
    assert!(
        error.contains("host \"elsewhere.test\" is not on the allow-list"),
        "{error}"
    );

    let other = Policy {
        hosts: Some(vec!["*.example.com".to_owned()]),
        ..Policy::default()
    };
    let error = run(&with_password, other).unwrap_err().to_string();
    assert!(
        error.contains("host \"127.0.0.1\" is not on the allow-list"),
        "{error}"
    );
    assert!(
        !error.contains("pass@") && error.contains("http://xxxxx:xxxxx@127.0.0.1"),
        "{error}"
    );
}

#[test]
fn a_file_counts_towards_what_a_build_may_read() {
    let port = serve(|_| ok(&"#".repeat(1000)));
    let tree = MemoryTree::new().with(
        "kustomization.yaml",
        format!("resources: ['http://127.0.0.1:{port}/a.yaml']\n"),
    );
    let mut options = Options {
        remote: Some(Arc::new(Fetcher::new(
            Policy::default(),
            Arc::new(Direct::default()),
        ))),
        ..Options::default()
    };
    options.limits.bytes_read = 500;
    let error = build(&tree, "/", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

/// A network that knows one name besides the addresses of this machine, and can be given up.
#[derive(Debug, Default)]
struct Judged {
    direct: Direct,
    /// Whether somebody else connects, so that there are no addresses to pin.
    proxied: bool,
    cancelled: AtomicBool,
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
    fn get(&self, get: &Get<'_>) -> Result<Answer, NetworkError> {
        let host = get.url.host_str().unwrap_or_default();
        Self::check(host)?;
        let mut here = get.url.clone();
        if here.host_str() == Some("git.test") {
            here.set_host(Some("127.0.0.1")).expect("a host");
        }
        self.direct.get(&Get {
            url: &here,
            authorization: get.authorization.clone(),
            ..*get
        })
    }

    fn judges(&self) -> bool {
        true
    }

    fn addresses(&self, _scheme: &str, host: &str, _port: u16) -> Result<Option<Vec<IpAddr>>, NetworkError> {
        Self::check(host)?;
        Ok((!self.proxied).then(|| vec![Ipv4Addr::LOCALHOST.into()]))
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Serves a repository to git below `/repo.git`; what is below `/moved` is there, too, and `/away` on another host.
fn serve_repository(repository: &TempDir) -> u16 {
    let root = repository.path().to_owned();
    let redirect = |to: String| {
        format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes()
    };
    serve_bytes(move |path, body| {
        let (advertise, kind, before) = match path {
            "/repo.git/info/refs?service=git-upload-pack" => {
                (true, "advertisement", &b"001e# service=git-upload-pack\n0000"[..])
            }
            "/repo.git/git-upload-pack" => (false, "result", &b""[..]),
            moved if moved.starts_with("/moved/") => {
                return redirect(moved.replacen("/moved/", "/repo.git/", 1));
            }
            away => return redirect(away.replacen("/away/", "http://elsewhere.test/", 1)),
        };
        let mut git = Command::new("git");
        git.args(["upload-pack", "--stateless-rpc"]);
        if advertise {
            git.arg("--advertise-refs");
        }
        let mut child = git
            .arg(&root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git starts");
        child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(body)
            .expect("git reads");
        let said = child.wait_with_output().expect("git ends").stdout;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-{kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            before.len() + said.len()
        );
        [head.as_bytes(), before, &said].concat()
    })
}

#[test]
fn git_reaches_a_host_at_the_addresses_that_were_judged_only() {
    let repository = repository();
    let port = serve_repository(&repository);
    let judged = || Arc::new(Judged::default());
    let get = |reference: &str| run_through(reference, Policy::default(), judged());
    // No name server knows the name: without a pin git does not find it.
    for path in ["repo.git//base", "moved//base"] {
        let built = get(&format!("git::http://git.test:{port}/{path}?ref=main"));
        assert!(
            built.as_ref().is_ok_and(|text| text.contains("main-web")),
            "{built:?}"
        );
    }
    let error = get(&format!("git::http://git.test:{port}/away//base?ref=main")).unwrap_err();
    assert!(
        error.to_string().contains("elsewhere.test is not asked"),
        "{error}"
    );
    let proxied = Judged {
        proxied: true,
        ..Judged::default()
    };
    let away = format!("git::http://git.test:{port}/away//base?ref=main");
    let error = run_through(&away, Policy::default(), Arc::new(proxied)).unwrap_err();
    assert!(
        error.to_string().contains("elsewhere.test is not asked"),
        "git follows no redirect by itself: {error}"
    );
    for address in ["ssh://git@elsewhere.test/a.git", "git@elsewhere.test:a/b.git"] {
        let error = get(&format!("{address}?ref=main")).unwrap_err();
        assert!(
            error.to_string().contains("elsewhere.test is not asked"),
            "{error}"
        );
    }
}

#[test]
fn a_build_that_is_given_up_ends_at_once_and_leaves_no_process() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let network = Arc::new(Judged::default());
    let given_up = Arc::clone(&network);
    thread::spawn(move || {
        // The first request is answered; git's own waits for ever.
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        drop(first);
        let (_held, _) = listener.accept().unwrap();
        given_up.cancelled.store(true, Ordering::Relaxed);
        thread::sleep(Duration::from_mins(1));
    });
    let start = Instant::now();
    let reference = format!("git::http://git.test:{port}/a.git?ref=main");
    let error = run_through(&reference, Policy::default(), network).unwrap_err();
    assert!(error.to_string().contains("given up"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

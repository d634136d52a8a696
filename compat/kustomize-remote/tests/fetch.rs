//! A real git and a small HTTP server on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kustomize::{ErrorKind, MemoryTree, Options, build};
use kustomize_remote::{Fetcher, Policy};
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
    let tree = MemoryTree::new().with("kustomization.yaml", format!("resources: [{reference:?}]\n"));
    let options = Options {
        remote: Some(Arc::new(Fetcher::new(policy))),
        ..Options::default()
    };
    build(&tree, "/", &options)?.to_yaml()
}

/// Answers every request on its own connection with what `respond` makes of its path.
fn serve(respond: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = BufReader::new(stream.try_clone().expect("a connection"));
            let mut line = String::new();
            request.read_line(&mut line).expect("a request");
            let mut authorization = String::new();
            loop {
                let mut header = String::new();
                if request.read_line(&mut header).expect("a request") <= 2 {
                    break;
                }
                if let Some((name, value)) = header.split_once(": ")
                    && name.eq_ignore_ascii_case("authorization")
                {
                    value.trim().clone_into(&mut authorization);
                }
            }
            let path = line.split(' ').nth(1).unwrap_or_default();
            let answer = respond(&format!("{path} {authorization}"));
            // A client that has seen enough may be gone.
            let _ = stream.write_all(answer.as_bytes());
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
        "/moved.yaml " => {
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
        remote: Some(Arc::new(Fetcher::new(Policy::default()))),
        ..Options::default()
    };
    options.limits.bytes_read = 500;
    let error = build(&tree, "/", &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

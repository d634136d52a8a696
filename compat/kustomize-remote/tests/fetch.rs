//! A real git and a small HTTP server on this machine.

mod support;

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kustomize::{ErrorKind, MemoryTree, Options, Remote as _, RepoSpec, build};
use kustomize_remote::{Direct, Fetcher, Policy};
use support::{Judged, SERVICE, git, ok, repository, run, run_through, serve};
use tempfile::TempDir;

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

#[test]
fn ssh_is_kept_to_hosts_that_were_judged() {
    for address in ["ssh://git@elsewhere.test/a.git", "git@elsewhere.test:a/b.git"] {
        let reference = format!("{address}?ref=main");
        let error = run_through(&reference, Policy::default(), Arc::new(Judged::default())).unwrap_err();
        assert!(
            error.to_string().contains("elsewhere.test is not asked"),
            "{error}"
        );
    }
}

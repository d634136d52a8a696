//! Repositories over HTTP without the `git` program, beside what the program makes of them.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kustomize::{Remote as _, RemoteError, RepoSpec};
use kustomize_remote::{Fetcher, Policy};
use support::{
    Asked, Judged, commit, git, git_answer, git_head, ok, redirect, repository, run_through, serve,
    serve_bytes, serve_pieces, serve_repositories, status, text, write,
};
use tempfile::TempDir;

fn policy() -> Policy {
    Policy {
        local_repositories: false,
        ..Policy::default()
    }
}

/// Clones through the network that judges; gives where the files are as long as the fetcher lives.
fn clone(fetcher: &Fetcher, address: &str) -> Result<PathBuf, RemoteError> {
    let repo = RepoSpec::parse(address).expect("a repository");
    fetcher.clone_repo(&repo).map(|cloned| cloned.root.into())
}

fn fetcher(policy: Policy) -> Fetcher {
    Fetcher::new(policy, Arc::new(Judged::default()))
}

fn failure(address: &str, policy: Policy) -> String {
    text(clone(&fetcher(policy), address).expect_err(address))
}

/// Everything below a directory but `.git`: links, files, and whether they can be executed.
fn listing(at: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![at.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(at)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            let metadata = path.symlink_metadata().expect("metadata");
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if metadata.is_dir() {
                found.insert(name, "directory".to_owned());
                open.push(path);
            } else if metadata.is_symlink() {
                let to = fs::read_link(path).expect("a link");
                found.insert(name, format!("-> {}", to.display()));
            } else {
                let content = fs::read(&path).expect("a file");
                let mode = metadata.permissions().mode() & 0o777;
                let mut hash = gix_hash::hasher(gix_hash::Kind::Sha1);
                hash.update(&content);
                let shown = match content.len() {
                    ..100 => content.escape_ascii().to_string(),
                    _ => hash.try_finalize().expect("a hash").to_string(),
                };
                found.insert(name, format!("{mode:o} {shown}"));
            }
        }
    }
    found
}

/// A repository with everything that a work tree can have.
fn diverse() -> (TempDir, String) {
    let root = TempDir::new().expect("a directory");
    let at = &root.path().join("repo");
    fs::create_dir(at).expect("a directory");
    git(at, &["init", "--quiet", "--initial-branch=main"]);
    let numbers = |from: usize| {
        let lines: Vec<_> = (from..from + 40_000).map(|n| format!("{n}\n")).collect();
        lines.concat()
    };
    write(at, "similar-1", numbers(0));
    write(at, "similar-2", numbers(100));
    write(at, "deep/similar-3", numbers(200) + "end");
    write(at, "empty", "");
    write(at, "deep/er/still/file", "text\n");
    write(at, "namen/käse \u{1f9c0}", "text\n");
    write(at, "script", "#!/bin/sh\n");
    fs::set_permissions(at.join("script"), fs::Permissions::from_mode(0o755)).expect("permissions");
    for (name, to) in [
        ("link", "deep/er"),
        ("dangling", "nowhere"),
        ("deep/outside", "/etc/passwd"),
    ] {
        symlink(to, at.join(name)).expect("a link");
    }
    write(
        at,
        ".gitattributes",
        "*.bat eol=crlf\n*.auto text=auto eol=crlf\nid ident\n*.latin working-tree-encoding=ISO-8859-15\n*.lfs filter=evil\n",
    );
    write(at, "deep/.gitattributes", "plain.bat -text\n");
    write(at, "run.bat", "one\ntwo\n");
    write(at, "mixed.auto", "one\r\ntwo\n");
    write(at, "binary.auto", b"one\n\0two\n");
    write(at, "deep/plain.bat", "one\ntwo\n");
    write(at, "id", "$Id$\n");
    write(at, "euro.latin", b"\xa4");
    write(at, "large.lfs", "pointer\n");
    let first = commit(at, "one");
    git(at, &["tag", "light"]);
    git(at, &["tag", "--annotate", "--message=tag", "heavy"]);
    git(at, &["tag", "--annotate", "--message=tag", "heavier", "heavy"]);
    write(at, "similar-1", numbers(50));
    write(at, "more", "text\n");
    commit(at, "two");
    git(at, &["checkout", "--quiet", "-b", "branch/sub"]);
    write(at, "branch", "text\n");
    commit(at, "three");
    git(at, &["tag", "branch", "heavy"]);
    git(at, &["checkout", "--quiet", "main"]);
    git(at, &["gc", "--quiet"]);
    (root, first)
}

#[test]
fn what_is_checked_out_is_what_git_checks_out() {
    let (root, first) = diverse();
    for is_v2 in [true, false] {
        let port = serve_repositories(root.path(), is_v2);
        let references = [
            "",
            "main",
            "HEAD",
            "@",
            "light",
            "heavy",
            "heavier",
            "branch",
            "branch/sub",
            "heads/branch/sub",
            "tags/light",
            "refs/tags/heavy",
        ];
        for reference in references.into_iter().chain((is_v2).then_some(first.as_str())) {
            let fetcher = fetcher(policy());
            let address = format!("git::http://git.test:{port}/repo.git?ref={reference}");
            let ours = clone(&fetcher, &address).unwrap_or_else(|e| panic!("{address}: {e:?}"));
            let theirs = TempDir::new().expect("a directory");
            git(theirs.path(), &["init", "--quiet"]);
            let from = root.path().join("repo").display().to_string();
            let wanted = if reference.is_empty() { "HEAD" } else { reference };
            git(theirs.path(), &["fetch", "--quiet", &from, wanted]);
            git(theirs.path(), &["checkout", "--quiet", "FETCH_HEAD"]);
            assert_eq!(listing(&ours), listing(theirs.path()), "{reference:?} {is_v2}");
            assert!(!ours.join(".git").exists());
        }
    }
}

#[test]
fn a_base_is_built_and_redirects_are_judged() {
    let repository = repository();
    let root = repository.path().to_owned();
    let port = serve_bytes(move |asked| {
        let path = asked.path.as_str();
        if path.starts_with("/repo.git/") {
            git_answer(&root, asked, true)
        } else if let Some(rest) = path.strip_prefix("/moved/") {
            redirect(&format!("/repo.git/{rest}"))
        } else {
            redirect(&path.replacen("/away/", "http://elsewhere.test/", 1))
        }
    });
    let get = |path: &str, policy| {
        let reference = format!("git::http://git.test:{port}/{path}?ref=main");
        run_through(&reference, policy, Arc::new(Judged::default()))
    };
    for path in ["repo.git//base", "moved//base"] {
        let built = get(path, policy());
        assert!(
            built.as_ref().is_ok_and(|text| text.contains("main-web")),
            "{built:?}"
        );
    }
    let error = get("away//base", policy()).unwrap_err().to_string();
    assert!(error.contains("elsewhere.test is not asked"), "{error}");
    let listed = Policy {
        hosts: Some(vec!["git.test".to_owned()]),
        ..policy()
    };
    let error = get("away//base", listed).unwrap_err().to_string();
    assert!(
        error.contains("host \"elsewhere.test\" is not on the allow-list"),
        "{error}"
    );
    let error = get("repo.git//outside", policy()).unwrap_err().to_string();
    assert!(error.contains("is not in or below"), "{error}");
}

#[test]
fn what_is_not_there_is_told_in_words() {
    let (root, first) = diverse();
    for (name, format) in [("none", "sha1"), ("sha256", "sha256")] {
        let at = root.path().join(name);
        fs::create_dir(&at).expect("a directory");
        git(&at, &["init", "--quiet", &format!("--object-format={format}")]);
    }
    write(&root.path().join("sha256"), "a", "a");
    commit(&root.path().join("sha256"), "one");
    let blob = git(&root.path().join("repo"), &["rev-parse", "HEAD:more"]);
    let (v1, v2) = (
        serve_repositories(root.path(), false),
        serve_repositories(root.path(), true),
    );
    for (port, path, text) in [
        (v2, "repo.git?ref=gone", "couldn't find remote ref gone"),
        (
            v2,
            &format!("repo.git?ref={}", &first[..10]),
            "couldn't find remote ref",
        ),
        (v2, "repo.git?ref=a..b", "invalid refspec 'a..b'"),
        (v2, "none.git", "couldn't find remote ref HEAD"),
        (v1, "none.git", "couldn't find remote ref HEAD"),
        (v2, "sha256.git", "objects named by \"sha256\""),
        (v2, &format!("repo.git?ref={blob}"), "is no commit"),
        (
            v1,
            &format!("repo.git?ref={blob}"),
            "Server does not allow request for unadvertised object",
        ),
        (
            v2,
            &format!("repo.git?ref={}", "1".repeat(40)),
            "remote error: upload-pack: not our ref",
        ),
    ] {
        let error = failure(&format!("git::http://git.test:{port}/{path}"), policy());
        assert!(error.contains(text), "{path}: {error}");
        assert!(error.starts_with("cannot fetch '"), "{error}");
    }
    for (answer, text) in [
        (ok("<html>").into_bytes(), "something that is no git repository"),
        (status("404 Not Found"), "repository not found (404 Not Found)"),
        (status("403 Forbidden"), "the server answers 403 Forbidden"),
        (
            status("401 Unauthorized"),
            "asks for credentials, and the address has none",
        ),
        (
            [
                &git_head("advertisement")[..],
                b"001fERR no\x1b[31m such repository",
            ]
            .concat(),
            "remote error: no [31m such repository",
        ),
        (
            [&git_head("advertisement")[..], b"zzzz"].concat(),
            "something that is not git's protocol",
        ),
        (
            [&git_head("advertisement")[..], b"0009ab"].concat(),
            "ended its answer too early",
        ),
    ] {
        let port = serve_bytes(move |_| answer.clone());
        let error = failure(&format!("http://git.test:{port}/a.git"), policy());
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn credentials_are_for_who_asks_for_them_and_for_nobody_else() {
    let repository = repository();
    let root = repository.path().to_owned();
    let elsewhere = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&elsewhere);
    let other = serve_bytes(move |asked| {
        heard
            .lock()
            .expect("a list")
            .push(asked.header("authorization").to_owned());
        status("401 Unauthorized")
    });
    let port = serve_bytes(move |asked| {
        let given = asked.header("authorization");
        match asked.path.split('/').nth(1) {
            Some("open") if given.is_empty() => git_answer(&root, asked, true),
            Some("open") => status("500 Not Wanted"),
            Some("away") => redirect(&format!(
                "http://127.0.0.1:{other}/a/info/refs?service=git-upload-pack"
            )),
            // `user:pa ss`
            _ if given == "Basic dXNlcjpwYSBzcw==" => git_answer(&root, asked, true),
            _ => status("401 Unauthorized"),
        }
    });
    for (path, text) in [
        ("open", None),
        ("closed", None),
        ("away", Some("asks for credentials, and the address has none")),
    ] {
        let address = format!("git::http://user:pa%20ss@git.test:{port}/{path}//base");
        let built = run_through(&address, policy(), Arc::new(Judged::default()));
        match text {
            None => assert!(built.is_ok(), "{path}: {built:?}"),
            Some(text) => assert!(built.unwrap_err().to_string().contains(text), "{path}"),
        }
    }
    assert_eq!(*elsewhere.lock().expect("a list"), [""]);
    for credentials in [
        "user:hunter2",
        "hunter2",
        "user:hun/hunter2",
        "user:hun'hunter2",
        "user:x@hunter2",
    ] {
        for query in ["ref=main", "ref=gone&sig=hunter2"] {
            let address = format!("http://{credentials}@git.test:{port}/closed/b.git?{query}");
            let error = run_through(&address, policy(), Arc::new(Judged::default()));
            let error = error.unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("xxxxx"), "{error}");
        }
    }
}

#[test]
fn submodules_come_along_at_their_commits() {
    let root = TempDir::new().expect("a directory");
    let new = |name: &str| {
        let at = root.path().join(name);
        fs::create_dir(&at).expect("a directory");
        git(&at, &["init", "--quiet", "--initial-branch=main"]);
        at
    };
    let link = |at: &Path, path: &str, commit: &str| {
        let entry = format!("160000,{commit},{path}");
        git(at, &["update-index", "--add", "--cacheinfo", &entry]);
    };
    let grandchild = new("grandchild");
    write(&grandchild, "file", "grandchild\n");
    let of_grandchild = commit(&grandchild, "one");
    let child = new("child");
    write(
        &child,
        ".gitmodules",
        "[submodule \"g\"]\n\tpath = deep/grandchild\n\turl = ../grandchild\n",
    );
    write(&child, "file", "old\n");
    git(&child, &["add", "--all"]);
    link(&child, "deep/grandchild", &of_grandchild);
    git(&child, &["commit", "--quiet", "--message=one"]);
    let of_child = git(&child, &["rev-parse", "HEAD"]);
    write(&child, "file", "new\n");
    git(&child, &["commit", "--quiet", "--all", "--message=two"]);
    let parent = new("parent");
    write(
        &parent,
        ".gitmodules",
        "[submodule \"c\"]\n\tpath = child\n\turl = ../child\n[submodule \"n\"]\n\tpath = none\n\turl = ../gone\n\tupdate = none\n",
    );
    git(&parent, &["add", "--all"]);
    link(&parent, "child", &of_child);
    link(&parent, "none", &of_child);
    git(&parent, &["commit", "--quiet", "--message=one"]);
    let port = serve_repositories(root.path(), true);

    let all = fetcher(policy());
    let at = clone(&all, &format!("git::http://git.test:{port}/parent.git")).expect("a clone");
    let files = listing(&at);
    assert_eq!(files["child/file"], "644 old\\n");
    assert_eq!(files["child/deep/grandchild/file"], "644 grandchild\\n");
    assert_eq!(files["none"], "directory");
    assert!(!files.contains_key("none/file"));
    let at = clone(
        &all,
        &format!("git::http://git.test:{port}/parent.git?submodules=false"),
    );
    assert!(!at.expect("a clone").join("child/file").exists());

    let away = new("away");
    for (url, text) in [
        ("http://elsewhere.test/child", "elsewhere.test is not asked"),
        ("file:///srv/child", "repositories on this machine are not cloned"),
        ("../gone", "submodule 'child': cannot fetch"),
    ] {
        let modules = format!("[submodule \"c\"]\n\tpath = child\n\turl = {url}\n");
        write(&away, ".gitmodules", modules);
        git(&away, &["add", ".gitmodules"]);
        link(&away, "child", &of_child);
        git(&away, &["commit", "--quiet", "--message=one"]);
        let error = failure(&format!("git::http://git.test:{port}/away.git"), policy());
        assert!(error.contains(text), "{url}: {error}");
    }
    git(&away, &["rm", "--quiet", "--cached", ".gitmodules"]);
    git(&away, &["commit", "--quiet", "--message=none"]);
    let error = failure(&format!("git::http://git.test:{port}/away.git"), policy());
    assert!(
        error.contains("No url found for submodule path 'child' in .gitmodules"),
        "{error}"
    );
}

#[test]
fn submodules_of_a_repository_that_the_program_fetches_come_each_by_its_way() {
    let root = TempDir::new().expect("a directory");
    let new = |name: &str| {
        let at = root.path().join(name);
        fs::create_dir(&at).expect("a directory");
        git(&at, &["init", "--quiet", "--initial-branch=main"]);
        at
    };
    let child = new("child");
    write(&child, "file", "old\n");
    let old = commit(&child, "one");
    write(&child, "file", "new\n");
    commit(&child, "two");
    let port = serve_repositories(root.path(), true);
    let parent = new("parent");
    let here = format!("file://{}", root.path().display());
    write(
        &parent,
        ".gitmodules",
        format!(
            "[submodule \"h\"]\n\tpath = by/http\n\turl = http://git.test:{port}/child\n[submodule \"f\"]\n\tpath = by/file\n\turl = {here}/child\n"
        ),
    );
    git(&parent, &["add", "--all"]);
    for path in ["by/http", "by/file"] {
        let entry = format!("160000,{old},{path}");
        git(&parent, &["update-index", "--add", "--cacheinfo", &entry]);
    }
    git(&parent, &["commit", "--quiet", "--message=one"]);
    let fetcher = fetcher(Policy::default());
    let at = clone(&fetcher, &format!("{here}/parent")).expect("a clone");
    let files = listing(&at);
    for path in ["by/http/file", "by/file/file"] {
        assert_eq!(files[path], "644 old\\n");
    }
    assert!(!at.join(".git").exists() && !at.join("by/file/.git").exists());
}

#[test]
fn submodules_may_not_nest_for_ever() {
    let root = TempDir::new().expect("a directory");
    let at = root.path().join("self");
    fs::create_dir(&at).expect("a directory");
    git(&at, &["init", "--quiet", "--initial-branch=main"]);
    write(
        &at,
        ".gitmodules",
        "[submodule \"s\"]\n\tpath = s\n\turl = ../self\n",
    );
    let mut last = commit(&at, "first");
    for number in 0..12 {
        git(
            &at,
            &[
                "update-index",
                "--add",
                "--cacheinfo",
                &format!("160000,{last},s"),
            ],
        );
        git(&at, &["commit", "--quiet", &format!("--message={number}")]);
        last = git(&at, &["rev-parse", "HEAD"]);
    }
    let port = serve_repositories(root.path(), true);
    let error = failure(&format!("git::http://git.test:{port}/self.git"), policy());
    assert!(error.contains("nested more than 10 deep"), "{error}");
}

#[test]
fn a_clone_and_its_submodules_share_their_room() {
    let (root, _) = diverse();
    let port = serve_repositories(root.path(), true);
    let address = format!("git::http://git.test:{port}/repo.git");
    for clone_bytes in [1000, 300_000, 1_000_000] {
        let small = Policy {
            clone_bytes,
            ..policy()
        };
        let error = failure(&address, small);
        let text = format!("the clone is larger than {clone_bytes} bytes");
        assert!(error.contains(&text), "{error}");
    }
    let enough = Policy {
        clone_bytes: 8_000_000,
        ..policy()
    };
    clone(&fetcher(enough), &address).expect("a clone");
}

#[test]
fn a_server_that_says_nothing_or_no_end_is_left_in_time() {
    let short = Policy {
        git_time: Duration::from_millis(300),
        ..policy()
    };
    let hangs = serve_pieces(|_: &Asked| {
        let head = [&git_head("advertisement")[..], b"000eversion 2\n"].concat();
        let silence = std::iter::from_fn(|| {
            std::thread::sleep(Duration::from_mins(1));
            Some(Vec::new())
        });
        Box::new(std::iter::once(head).chain(silence))
    });
    let trickles = serve_pieces(|_: &Asked| {
        let head = [&git_head("advertisement")[..], b"000eversion 2\n"].concat();
        let line = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(50));
            b"0007ab\n".to_vec()
        });
        Box::new(std::iter::once(head).chain(line))
    });
    for port in [hangs, trickles] {
        let start = Instant::now();
        let error = failure(
            &format!("git::http://git.test:{port}/a.git?ref=main"),
            short.clone(),
        );
        assert!(error.contains("hit 300ms timeout"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    let endless = serve(|_| {
        let line = "0007ab\n".repeat(10_000_000);
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nConnection: close\r\n\r\n000eversion 2\n{line}"
        )
    });
    let error = failure(&format!("http://git.test:{endless}/a.git"), policy());
    assert!(error.contains("something that is not git's protocol"), "{error}");
}

#[test]
fn a_hundred_thousand_references_are_looked_at_and_not_kept() {
    let (root, _) = diverse();
    let at = root.path().join("repo");
    let head = git(&at, &["rev-parse", "HEAD"]);
    let mut packed = fs::read_to_string(at.join(".git/packed-refs")).unwrap_or_default();
    let others: Vec<_> = (0..100_000)
        .map(|n| format!("{head} refs/zzz/{n:06}\n"))
        .collect();
    packed.push_str(&others.concat());
    fs::write(at.join(".git/packed-refs"), packed).expect("references");
    for is_v2 in [true, false] {
        let port = serve_repositories(root.path(), is_v2);
        let fetcher = fetcher(policy());
        for reference in ["main", "refs/zzz/099999"] {
            let address = format!("git::http://git.test:{port}/repo.git?ref={reference}");
            let at = clone(&fetcher, &address).unwrap_or_else(|e| panic!("{address}: {e:?}"));
            assert!(at.join("more").is_file(), "{reference}");
        }
    }
}

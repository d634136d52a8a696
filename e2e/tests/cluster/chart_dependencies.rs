//! `openflux helm dependency` beside the real helm: the same lock, the same archives in `charts/`, the same words and exit
//! codes; and signatures of charts that are not on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{Testbed, program};
use e2e::tools::{Tool, ensure as tools};

/// Keys and a chart that GnuPG has signed.
const SIGNED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../compat/helm/cases/verify");

/// What a command leaves behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    code: Option<i32>,
    /// What it says, without what is another one for each process, and with repositories in a fixed order.
    said: Vec<String>,
    /// `Chart.lock` or `requirements.lock`, without its time.
    lock: Option<String>,
    /// The files in `charts/`, unpacked.
    charts: BTreeMap<String, Vec<u8>>,
}

/// Helm and ours, each with a home and a chart of its own.
pub(crate) struct Both {
    pub(crate) root: tempfile::TempDir,
    helm: PathBuf,
    ours: PathBuf,
}

impl Both {
    pub(crate) fn new() -> Result<Self> {
        let [helm] = tools([Tool::Helm])?;
        Ok(Self {
            root: tempfile::tempdir()?,
            helm,
            ours: program("openflux")?,
        })
    }

    pub(crate) fn sides(&self) -> [(&'static str, &Path, &'static [&'static str]); 2] {
        [("helm", &self.helm, &[]), ("ours", &self.ours, &["helm"])]
    }

    /// What is the same for both: a command of the real helm, in each home.
    pub(crate) fn prepare(&self, args: &[&str]) -> Result<()> {
        for (side, ..) in self.sides() {
            let output = Command::new(&self.helm)
                .args(args)
                .env_clear()
                .env("HOME", self.home(side))
                .output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "helm {args:?}: {error}");
        }
        Ok(())
    }

    pub(crate) fn home(&self, side: &str) -> PathBuf {
        self.root.path().join(format!("home-{side}"))
    }

    /// Gives both a new chart of these files, beside the folder of which all see the same.
    pub(crate) fn chart(&self, files: &[(&str, &str)]) -> Result<()> {
        for (side, ..) in self.sides() {
            let folder = self.root.path().join(side).join("app");
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            write(&folder, files)?;
        }
        Ok(())
    }

    /// Changes a file of the chart of both.
    fn change(&self, name: &str, change: impl Fn(String) -> String) -> Result<()> {
        for (side, ..) in self.sides() {
            let path = self.root.path().join(side).join("app").join(name);
            let text = fs::read_to_string(&path).unwrap_or_default();
            fs::write(path, change(text))?;
        }
        Ok(())
    }

    /// Both do the same, which ends with this code, and say this among other things.
    pub(crate) fn same(&self, args: &[&str], code: i32, words: &str) -> Result<()> {
        let mut outcomes = Vec::new();
        for (side, program, first) in self.sides() {
            outcomes.push(self.run(side, program, &[first, args].concat())?);
        }
        let (helm, ours) = (&outcomes[0], &outcomes[1]);
        for (name, content) in &helm.charts {
            let found = ours.charts.get(name);
            ensure!(found.is_some(), "{args:?}: there is no {name}: {:?}", ours.said);
            ensure!(found == Some(content), "{args:?}: {name} is another one");
        }
        ensure!(helm == ours, "{args:?}\nhelm {helm:#?}\nours {ours:#?}");
        ensure!(helm.code == Some(code), "{args:?}: {helm:#?}");
        ensure!(helm.said.join("\n").contains(words), "{args:?}: {helm:#?}");
        Ok(())
    }

    fn run(&self, side: &str, program: &Path, args: &[&str]) -> Result<Outcome> {
        let work = self.root.path().join(side);
        let output = Command::new(program)
            .args(args)
            .current_dir(&work)
            .env_clear()
            .env("HOME", self.home(side))
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let home = self.home(side).display().to_string();
        let said = without_number(&said.replace(&home, "HOME"), "tmpcharts-");
        let mut said: Vec<_> = said
            .replace(&work.display().to_string(), "WORK")
            .lines()
            // Helm's log.
            .filter(|line| {
                !line.starts_with("level=") && !line.contains("a valid Helm v3 hash was not found")
            })
            .map(str::to_owned)
            .collect();
        // Helm asks all repositories at once.
        for range in said.chunk_by_mut(|a, b| a.starts_with("...S") && b.starts_with("...S")) {
            range.sort();
        }
        let app = work.join("app");
        let lock = ["Chart.lock", "requirements.lock"]
            .iter()
            .find_map(|name| fs::read_to_string(app.join(name)).ok());
        let lock = lock.map(|text| {
            let lines = text.lines().filter(|line| !line.starts_with("generated: "));
            lines.collect::<Vec<_>>().join("\n")
        });
        ensure!(
            fs::read_dir(&app)?.all(|entry| entry
                .is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with("tmpcharts"))),
            "{side} leaves files behind"
        );
        let mut charts = BTreeMap::new();
        for entry in fs::read_dir(app.join("charts")).into_iter().flatten() {
            let entry = entry?;
            let content = if entry.path().is_dir() {
                Vec::new()
            } else {
                unpacked(fs::read(entry.path())?)?
            };
            charts.insert(entry.file_name().to_string_lossy().into_owned(), content);
        }
        Ok(Outcome {
            code: output.status.code(),
            said,
            lock,
            charts,
        })
    }
}

/// A text without the digits that follow some words.
fn without_number(text: &str, words: &str) -> String {
    let mut parts = text.split(words);
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        all.push_str(words);
        all.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    all
}

/// The tar of an archive; anything else as it is.
fn unpacked(content: Vec<u8>) -> Result<Vec<u8>> {
    if !content.starts_with(&[0x1F, 0x8B]) {
        return Ok(content);
    }
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(content.as_slice()).read_to_end(&mut tar)?;
    Ok(tar)
}

pub(crate) fn write(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// A chart that asks for these.
pub(crate) fn asking(dependencies: &str) -> String {
    format!("apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies:\n{dependencies}")
}

#[tokio::test]
async fn dependencies_on_disk_are_built_as_by_helm() -> Result<()> {
    let both = Both::new()?;
    let local = both.root.path().join("local");
    write(
        &local,
        &[
            (
                "Chart.yaml",
                "apiVersion: v2\nname: local\nversion: 1.2.3\nkeywords: [b, a]\nunknown: 1\ndependencies:\n- {name: below, version: '>0', repository: 'file://below'}\n",
            ),
            (
                "Chart.lock",
                "dependencies:\n- name: below\n  repository: file://below\n  version: 2.0.0\ndigest: sha256:00\ngenerated: \"2020-01-02T03:04:05.6+01:00\"\n",
            ),
            ("values.yaml", "# kept\na: 1\n"),
            ("values.schema.json", "{\"type\": \"object\"}\n"),
            ("templates/a.yaml", "a: {{ .Values.a }}\n"),
            ("templates/_h.tpl", "{{/* h */}}\n"),
            ("crds/c.yaml", "kind: C\n"),
            ("README.md", "text\n"),
            (".helmignore", "*.tmp\n"),
            ("left.tmp", "out\n"),
            (
                "charts/below/Chart.yaml",
                "apiVersion: v1\nname: below\nversion: 2.0.0\n",
            ),
            ("charts/below/requirements.yaml", "dependencies: []\n"),
            ("charts/below/values.yaml", "b: 1\n"),
            (
                "charts/_out/Chart.yaml",
                "apiVersion: v1\nname: out\nversion: 2.0.0\n",
            ),
        ],
    )?;
    let app = asking(
        "- {name: local, version: ^1.0.0, repository: 'file://../../local', alias: other, condition: a.b, tags: [t], import-values: [x, {child: a, parent: <b>}]}\n",
    );
    both.chart(&[("Chart.yaml", &app)])?;
    both.same(&["dependency", "list", "app"], 0, "missing")?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
    both.same(&["dep", "ls", "app"], 0, "ok")?;
    both.same(&["dependency", "up", "app"], 0, "Deleting outdated charts")?;
    both.same(
        &["dependency", "build", "app", "--debug"],
        0,
        "Archiving local from repo",
    )?;
    // What is asked for is no longer what the lock is about.
    both.change("Chart.yaml", |text| text.replace("^1.0.0", "~1.2"))?;
    both.same(
        &["dependency", "build", "app"],
        1,
        "the lock file (Chart.lock) is out of sync",
    )?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
    // An archive of another version goes.
    let head = local.join("Chart.yaml");
    let text = fs::read_to_string(&head)?;
    fs::write(&head, text.replace("1.2.3", "1.2.4"))?;
    both.same(&["dependency", "update", "app"], 0, "Deleting outdated charts")?;
    both.same(&["dependency", "list", "app"], 0, "local")?;
    fs::write(&head, text)?;

    for (dependencies, words) in [
        (
            "- {name: local, version: '>2', repository: 'file://../../local'}\n",
            "can't get a valid version for 1 subchart(s)",
        ),
        (
            "- {name: local, version: '>2', repository: 'file://../../none'}\n",
            "directory ../none not found",
        ),
        (
            "- {name: local, version: 'no version', repository: 'file://../../local'}\n",
            "has an invalid version/constraint format",
        ),
        (
            "- {name: none, version: '1'}\n",
            "directory app/charts/none not found",
        ),
        (
            "- {name: a, version: '1', repository: stable}\n",
            "Note that repositories must be URLs or aliases",
        ),
        (
            "- {name: a, version: '1', repository: '@listed'}\n",
            "no repository definition for @listed. Please add them",
        ),
        (
            "- {name: a, version: '1', repository: 'ftp://charts.test'}\n",
            "could not find protocol handler for: ftp",
        ),
    ] {
        both.chart(&[("Chart.yaml", &asking(dependencies))])?;
        both.same(&["dependency", "update", "app"], 1, words)?;
        both.same(&["dependency", "build", "app"], 1, words)?;
    }
    both.chart(&[("Chart.yaml", &asking(" []\n"))])?;
    both.same(&["dependency", "update", "app"], 0, "Saving 0 charts")?;
    both.chart(&[("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n")])?;
    both.same(&["dependency", "build", "app"], 0, "")?;
    both.same(
        &["dependency", "list", "app"],
        0,
        "WARNING: no dependencies at app/charts",
    )?;
    both.same(
        &["dependency", "list", "none"],
        1,
        "stat none: no such file or directory",
    )?;
    both.same(
        &["dependency", "build", "none"],
        1,
        "could not find none: stat none: no such file",
    )?;
    both.same(
        &["dependency", "build", "app/Chart.yaml"],
        1,
        "only unpacked charts can be updated",
    )?;
    both.same(
        &["dependency", "build", "app", "b"],
        1,
        "accepts at most 1 argument",
    )?;

    // One that lies in charts/ already.
    let there = (
        "charts/there/Chart.yaml",
        "apiVersion: v2\nname: there\nversion: 3.0.0\n",
    );
    both.chart(&[("Chart.yaml", &asking("- {name: there, version: ^3}\n")), there])?;
    both.same(
        &["dependency", "update", "app"],
        0,
        "Assuming it exists in the charts directory",
    )?;
    both.same(&["dependency", "list", "app"], 0, "unpacked")?;
    both.chart(&[("Chart.yaml", &asking("- {name: there, version: ^4}\n")), there])?;
    both.same(
        &["dependency", "update", "app"],
        1,
        "does not satisfy the constraint",
    )?;
    both.same(&["dependency", "list", "app"], 0, "wrong version")?;

    // A chart of Helm 2, with a file of its own for this.
    let old = ("Chart.yaml", "apiVersion: v1\nname: app\nversion: 1.0.0\n");
    let wanted = "dependencies:\n- {name: local, version: 1.2.3, repository: 'file://../../local'}\n";
    both.chart(&[old, ("requirements.yaml", wanted)])?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
    both.same(&["dependency", "build", "app"], 0, "Saving 1 charts")?;
    both.change("requirements.lock", |text| text.replace("sha256:", "sha256:0"))?;
    both.same(
        &["dependency", "build", "app"],
        1,
        "the lock file (requirements.lock) is out of sync",
    )
}

#[tokio::test]
async fn dependencies_are_fetched_as_by_helm() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let both = Both::new()?;
    let repository = testbed.helm_repository().await?;
    // A repository of its own, so that its index does not change meanwhile.
    let folder = repository.folder().join("dependencies");
    let url = format!("{}/dependencies", repository.url());
    let registry = testbed.registry().await?.url("dependencies");
    let work = tempfile::tempdir()?;
    let source = work.path().display().to_string();
    let packed = folder.display().to_string();
    fs::create_dir_all(&folder)?;
    let secret = format!("{SIGNED}/secret.gpg");
    let sign = ["--sign", "--key", "rsa@charts.test", "--keyring", &secret];
    for (name, version, signed) in [
        ("web", "1.2.3", false),
        ("web", "1.10.0", false),
        ("web", "2.0.0-rc.1", false),
        ("lib", "0.1.0+a.1", false),
        ("own", "1.0.0", true),
        ("forged", "1.0.0", true),
    ] {
        let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        write(work.path(), &[("Chart.yaml", &text)])?;
        let sign: &[&str] = if signed { &sign } else { &[] };
        both.prepare(&[&["package", &source, "--destination", &packed][..], sign].concat())?;
        if name != "forged" {
            let archive = format!("{packed}/{name}-{version}.tgz");
            both.prepare(&["push", &archive, &registry, "--plain-http"])?;
        }
    }
    // Another one than was signed, and one of a key that nobody trusts.
    both.prepare(&["package", &source, "--destination", &packed, "--app-version", "2"])?;
    for (case, name) in [
        ("wrong-key", "signed-1.0.0.tgz"),
        ("wrong-key", "signed-1.0.0.tgz.prov"),
    ] {
        fs::copy(format!("{SIGNED}/{case}/{name}"), folder.join(name))?;
    }
    both.prepare(&["repo", "index", &packed])?;

    let on = |name: &str, version: &str, repository: &str| {
        format!("- {{name: {name}, version: '{version}', repository: '{repository}'}}\n")
    };
    let asked = [on("web", "^1", &url), on("lib", "*", &url)].concat();
    both.chart(&[("Chart.yaml", &asking(&asked))])?;
    // A repository that is not listed.
    both.same(&["dependency", "update", "app"], 0, "unmanaged Helm repositories")?;
    both.same(&["dependency", "list", "app"], 0, "ok")?;
    both.same(
        &["dependency", "build", "app"],
        1,
        "Please add the missing repos via 'helm repo add'",
    )?;
    both.same(
        &["dependency", "update", "app", "--skip-refresh"],
        0,
        "Saving 2 charts",
    )?;
    both.prepare(&["repo", "add", "listed", &url])?;
    both.same(&["dependency", "build", "app"], 0, "Hang tight")?;
    both.same(
        &["dependency", "build", "app", "--skip-refresh"],
        0,
        "Saving 2 charts",
    )?;
    both.change("Chart.yaml", |text| text.replace("^1", "~1.2"))?;
    both.same(&["dependency", "update", "app"], 0, "Successfully got an update")?;

    // The lock names a version that the repository does not have.
    both.chart(&[("Chart.yaml", &asking(&on("web", "1.2.3", &url)))])?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
    let yaml = |text: String| text.replace("1.2.3", "1.2.4");
    both.change("Chart.lock", yaml)?;
    both.same(&["dependency", "build", "app"], 1, "out of sync")?;

    for (dependencies, words) in [
        (
            on("web", ">9", &url),
            "can't get a valid version for 1 subchart(s)",
        ),
        (on("none", "1", &url), "none chart not found in repo"),
        (
            on("web", "1", &format!("{url}/none")),
            "Unable to get an update from the",
        ),
        (on("web", "^1", &format!("{registry}-none")), ""),
    ] {
        both.chart(&[("Chart.yaml", &asking(&dependencies))])?;
        if words.is_empty() {
            // The words of registries are not Helm's.
            for (side, program, first) in both.sides() {
                let args = [first, &["dependency", "update", "app", "--plain-http"][..]].concat();
                let outcome = both.run(side, program, &args)?;
                ensure!(outcome.code == Some(1) && outcome.lock.is_none(), "{outcome:#?}");
            }
        } else {
            both.same(&["dependency", "update", "app"], 1, words)?;
        }
    }
    for name in ["@listed", "alias:listed"] {
        both.chart(&[("Chart.yaml", &asking(&on("web", "*", name)))])?;
        both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
        both.same(&["dependency", "build", "app"], 0, "Saving 1 charts")?;
    }
    let twice = asking(
        &[
            on("web", "1.2.3", &url),
            on("web", "1.2.3", &url).replace("version", "alias: again, version"),
        ]
        .concat(),
    );
    both.chart(&[("Chart.yaml", &twice)])?;
    both.same(&["dependency", "update", "app"], 0, "Already downloaded web")?;

    // Of a registry: by version, and by constraint.
    let plain = |command: &'static str| ["dependency", command, "app", "--plain-http"];
    let asked = [on("web", "^1", &registry), on("lib", "0.1.0+a.1", &registry)].concat();
    both.chart(&[("Chart.yaml", &asking(&asked))])?;
    both.same(&plain("update"), 0, "Digest: sha256:")?;
    both.same(&plain("build"), 0, "Pulled: ")?;

    // Of a registry that the index of a listed repository names; and of one that asks who is there.
    let index = |name: &str, url: &str, digest: &str| {
        format!(
            "apiVersion: v1\nentries:\n  {name}:\n  - {{apiVersion: v2, name: {name}, version: 1.10.0, urls: ['{url}'], digest: '{digest}'}}\n"
        )
    };
    for (name, place, digest) in [
        ("away", format!("{registry}/web:1.10.0"), String::new()),
        ("untagged", format!("{registry}/web"), String::new()),
        ("changed", format!("{url}/web-1.10.0.tgz"), "00".repeat(32)),
    ] {
        write(
            &repository.folder().join(name),
            &[("index.yaml", &index("web", &place, &digest))],
        )?;
        both.prepare(&["repo", "add", name, &format!("{}/{name}", repository.url())])?;
    }
    both.chart(&[("Chart.yaml", &asking(&on("web", "^1", "@away")))])?;
    both.same(&plain("update"), 0, "Pulled: ")?;
    both.same(&plain("build"), 0, "Digest: sha256:")?;
    for (name, words) in [
        ("untagged", "could not parse OCI reference"),
        // Helm does not compare it.
        ("changed", "the digest is sha256:"),
    ] {
        both.chart(&[("Chart.yaml", &asking(&on("web", "^1", &format!("@{name}"))))])?;
        let args = ["helm", "dependency", "update", "app", "--plain-http"];
        let outcome = both.run("ours", &both.ours, &args)?;
        let is_told = outcome.said.join("\n").contains(words);
        ensure!(
            outcome.code == Some(1) && is_told && outcome.charts.is_empty(),
            "{outcome:#?}"
        );
    }
    for name in ["away", "untagged", "changed"] {
        both.prepare(&["repo", "remove", name])?;
    }
    let guarded = repository.guarded("user", "pass:word")?;
    let login = guarded
        .url("/dependencies")
        .replace("://", "://user:pass%3Aword@");
    both.chart(&[("Chart.yaml", &asking(&on("web", "^1", &login)))])?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;

    // A folder that leads elsewhere.
    both.chart(&[("Chart.yaml", &asking(&on("web", "^1", &url)))])?;
    let elsewhere = both.root.path().join("elsewhere");
    fs::create_dir_all(&elsewhere)?;
    std::os::unix::fs::symlink(&elsewhere, both.root.path().join("ours/app/charts"))?;
    let outcome = both.run("ours", &both.ours, &["helm", "dependency", "update", "app"])?;
    ensure!(outcome.code == Some(1), "{outcome:#?}");
    ensure!(fs::read_dir(&elsewhere)?.next().is_none(), "{outcome:#?}");

    // Signatures.
    let ring = format!("{SIGNED}/ring.gpg");
    let verify = |command: &'static str, more: &[&'static str]| {
        let args = [
            &["dependency", command, "app", "--verify", "--keyring"][..],
            &[ring.as_str()][..],
            more,
        ];
        args.concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, command, code, words) in [
        (
            "own",
            "update",
            0,
            "Could not verify app/tmpcharts-/own-1.0.0.tgz.prov for moving",
        ),
        (
            "forged",
            "update",
            1,
            "sha256 sum does not match for forged-1.0.0.tgz",
        ),
        ("signed", "update", 1, "signature made by unknown entity"),
        ("web", "update", 1, "failed to fetch provenance"),
    ] {
        both.chart(&[("Chart.yaml", &asking(&on(name, "^1", &url)))])?;
        let args = verify(command, &[]);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        both.same(&args, code, words)?;
    }
    // Where there is a lock, signatures are optional.
    both.chart(&[("Chart.yaml", &asking(&on("web", "1.2.3", &url)))])?;
    both.same(&["dependency", "update", "app"], 0, "Saving 1 charts")?;
    let args = verify("build", &[]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    both.same(&args, 0, "WARNING: Verification not found for")?;
    both.chart(&[("Chart.yaml", &asking(&on("own", "1.0.0", &registry)))])?;
    let args = verify("update", &["--plain-http"]);
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    both.same(&args, 0, "Digest: sha256:")?;

    // The same for a chart that is rendered.
    both.chart(&[("Chart.yaml", &asking(" []\n"))])?;
    let render = |name: &'static str| {
        vec![
            "template",
            "release",
            name,
            "--repo",
            &url,
            "--verify",
            "--keyring",
            &ring,
        ]
    };
    both.same(&render("own"), 0, "")?;
    both.same(
        &render("forged"),
        1,
        "sha256 sum does not match for forged-1.0.0.tgz",
    )?;
    both.same(&render("signed"), 1, "signature made by unknown entity")?;
    both.same(&render("web"), 1, "failed to fetch provenance")
}

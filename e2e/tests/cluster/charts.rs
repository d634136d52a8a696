//! `openflux helm template` of charts that are not on disk, beside the real helm: from a repository, from Helm's list of
//! repositories, from a URL and from a registry.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{Testbed, program};
use e2e::tools::{Tool, ensure as tools};

const TEMPLATE: &str =
    "version: {{ .Chart.Version }}\nname: {{ .Release.Name }}\nlist: {{ .Values.list | toJson }}\n";

/// Helm and ours, with the same files of Helm's own.
struct Both {
    helm: PathBuf,
    ours: PathBuf,
    home: tempfile::TempDir,
}

impl Both {
    fn run(&self, program: &Path, args: &[&str]) -> Result<Output> {
        // Ours is called by the name of helm's commands.
        let command: &[&str] = if program == self.ours { &["helm"] } else { &[] };
        Ok(Command::new(program)
            .args(command)
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .output()?)
    }

    /// What Helm alone is told.
    fn helm(&self, args: &[&str]) -> Result<()> {
        let output = self.run(&self.helm, args)?;
        ensure!(
            output.status.success(),
            "helm {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Renders with both; tells what they print, or the error that they print.
    fn template(&self, args: &[&str]) -> Result<(Result<String, String>, Result<String, String>)> {
        let args = [&["template", "release"], args].concat();
        let said = |output: Output| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if output.status.success() {
                return Ok(text(&output.stdout));
            }
            let error = text(&output.stderr);
            let start = error.find("Error: ").unwrap_or_default();
            Err(error[start..].trim_end().to_owned())
        };
        let helm = said(self.run(&self.helm, &args)?);
        Ok((
            helm.map(without_notes).map_err(without_notes),
            said(self.run(&self.ours, &args)?),
        ))
    }

    /// Both render the same, with this version in it.
    fn same(&self, args: &[&str], version: &str) -> Result<()> {
        let (helm, ours) = self.template(args)?;
        ensure!(helm == ours, "{args:?}\nhelm {helm:?}\nours {ours:?}");
        let text = helm.map_err(|error| anyhow::anyhow!("{args:?}: {error}"))?;
        ensure!(
            text.contains(&format!("version: {version}\n")),
            "{args:?}: {text}"
        );
        Ok(())
    }

    /// Both fail with the same words.
    fn same_error(&self, args: &[&str], words: &str) -> Result<()> {
        let (helm, ours) = self.template(args)?;
        ensure!(helm == ours, "{args:?}\nhelm {helm:?}\nours {ours:?}");
        let error = helm.err().context("it renders")?;
        ensure!(error.contains(words), "{args:?}: {error}");
        Ok(())
    }

    /// Both fail, each in its own words.
    fn both_fail(&self, args: &[&str], words: &str) -> Result<()> {
        let (helm, ours) = self.template(args)?;
        ensure!(helm.is_err(), "{args:?}: helm renders {helm:?}");
        let error = ours.err().with_context(|| format!("{args:?} renders"))?;
        ensure!(error.contains(words), "{args:?}: {error}\nhelm {helm:?}");
        Ok(())
    }
}

/// Helm tells about what it pulls on its standard output, where it is no object; ours tells it elsewhere.
fn without_notes(text: String) -> String {
    match text.find("---\n") {
        Some(start) if text.starts_with("Pulled: ") => text[start..].to_owned(),
        _ => text,
    }
}

#[tokio::test]
async fn charts_are_fetched_as_by_helm() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let [helm] = tools([Tool::Helm])?;
    let both = Both {
        helm,
        ours: program("openflux")?,
        home: tempfile::tempdir()?,
    };
    let charts = testbed.helm_repository().await?;
    for version in ["1.2.3", "1.10.0", "2.0.0-rc.1", "1.4.0+build.7"] {
        charts
            .add(&[
                (
                    "Chart.yaml",
                    &format!("apiVersion: v2\nname: fetched\nversion: {version}\n"),
                ),
                ("values.yaml", "list: [1, two]\n"),
                ("templates/a.yaml", TEMPLATE),
            ])
            .await?;
    }
    let url = charts.url();

    let repo = ["fetched", "--repo", &url];
    let with = |more: &[&'static str]| [&repo[..], more].concat();
    both.same(&repo, "1.10.0")?;
    both.same(&with(&["--version", "~1.2"]), "1.2.3")?;
    both.same(&with(&["--version", "1.2.3"]), "1.2.3")?;
    both.same(&with(&["--version", "1.4.0+build.7"]), "1.4.0+build.7")?;
    both.same(&with(&["--version", ">1.4.0, <2"]), "1.10.0")?;
    both.same(&with(&["--devel"]), "2.0.0-rc.1")?;
    both.same_error(
        &with(&["--version", "9"]),
        "chart \"fetched\" version \"9\" not found in",
    )?;
    both.same_error(&["gone", "--repo", &url], "chart \"gone\" not found in")?;
    both.same_error(
        &["fetched", "--repo", &format!("{url}/none")],
        "is not a valid chart repository or cannot be reached: failed to fetch",
    )?;
    both.same_error(
        &["fetched", "--repo", "ftp://charts.test"],
        "could not find protocol handler for: ftp",
    )?;

    let archive = format!("{url}/fetched-1.2.3.tgz");
    both.same(&[&archive], "1.2.3")?;
    both.same_error(&[&format!("{url}/none.tgz")], "404 Not Found")?;

    both.helm(&["repo", "add", "listed", &url])?;
    both.same(&["listed/fetched"], "1.10.0")?;
    both.same(&["listed/fetched", "--version", "^1.2 <1.3"], "1.2.3")?;
    both.same_error(&["listed/gone"], "not found in listed index")?;
    both.same_error(&["other/fetched"], "repo other not found")?;
    both.same_error(&["fetched"], "non-absolute URLs should be in form of")?;

    let guarded = charts.guarded("user", "pass:word")?;
    let url = guarded.url("");
    let login = ["--username", "user", "--password", "pass:word"];
    both.same_error(&["fetched", "--repo", &url], "401 Unauthorized")?;
    both.same(&[&["fetched", "--repo", &url], &login[..]].concat(), "1.10.0")?;
    both.helm(&[&["repo", "add", "guarded", &url], &login[..]].concat())?;
    both.same(&["guarded/fetched"], "1.10.0")?;
    // The index of a listed repository names it, so that its credentials are used.
    both.same(
        &[
            &format!("{url}/fetched-1.2.3.tgz"),
            login[0],
            login[1],
            login[2],
            login[3],
        ],
        "1.2.3",
    )
}

#[tokio::test]
async fn charts_are_pulled_as_by_helm() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let [helm] = tools([Tool::Helm])?;
    let both = Both {
        helm,
        ours: program("openflux")?,
        home: tempfile::tempdir()?,
    };
    let registry = testbed.registry().await?.url("pulled-charts");
    let work = tempfile::tempdir()?;
    for version in ["1.2.3", "1.10.0", "2.0.0-rc.1", "1.4.0+build.7"] {
        let chart = work.path().join(version);
        std::fs::create_dir_all(chart.join("templates"))?;
        std::fs::write(
            chart.join("Chart.yaml"),
            format!("apiVersion: v2\nname: pulled\nversion: {version}\n"),
        )?;
        std::fs::write(chart.join("values.yaml"), "list: [1, two]\n")?;
        std::fs::write(chart.join("templates/a.yaml"), TEMPLATE)?;
        let place = work.path().display().to_string();
        both.helm(&["package", &chart.display().to_string(), "--destination", &place])?;
        let archive = format!("{place}/pulled-{version}.tgz");
        both.helm(&["push", &archive, &registry, "--plain-http"])?;
    }
    let chart = format!("{registry}/pulled");
    let plain = [chart.as_str(), "--plain-http"];
    let with = |version: &'static str| [&plain[..], &["--version", version]].concat();
    both.same(&plain, "1.10.0")?;
    for (asked, found) in [
        ("1.2.3", "1.2.3"),
        ("1.4.0+build.7", "1.4.0+build.7"),
        ("~1.2", "1.2.3"),
        (">0-0", "2.0.0-rc.1"),
    ] {
        both.same(&with(asked), found)?;
    }
    both.same(&[&format!("{chart}:1.2.3"), "--plain-http"], "1.2.3")?;
    both.same_error(
        &[&format!("{chart}:1.2.3"), "--plain-http", "--version", "1.10.0"],
        "chart reference and version mismatch: 1.10.0 is not 1.2.3",
    )?;
    both.same_error(
        &with(">9"),
        "could not locate a version matching provided version string >9",
    )?;
    both.same_error(&with("9.9.9"), "not found")?;
    both.same_error(
        &[&format!("{registry}/none"), "--plain-http"],
        "response status code 404: name unknown",
    )?;
    // The registry speaks no TLS.
    both.both_fail(&[&chart], "Get \"https://")
}

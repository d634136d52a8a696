//! Moves by a commit, labels that are handed over to Git, and hooks around waves.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{KUSTOMIZATION, eventually};

use crate::beside::Fleet;
use crate::tool_at_work::ended;

/// Runs git as somebody.
pub(crate) async fn git(folder: &Path, words: &[&str]) -> Result<String> {
    let identity = ["-c", "user.name=alice", "-c", "user.email=alice@example.com"];
    let output = tokio::process::Command::new("git")
        .current_dir(folder)
        .args(identity)
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .await?;
    ensure!(output.status.success(), "git {words:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Fleet {
    /// A checkout of the repository, in a folder of its own.
    pub(crate) async fn clone_to(&self, name: &str) -> Result<PathBuf> {
        let parent = self.beside.testbed.dir();
        let folder = parent.join(format!("{}-{name}", self.namespace.name()));
        let path = folder.display().to_string();
        git(parent, &["clone", "--quiet", self.repo.url(), &path]).await?;
        Ok(folder)
    }

    /// Commits and pushes what is in a checkout, and waits until the parent has applied that.
    pub(crate) async fn publish(&self, checkout: &Path) -> Result<()> {
        git(checkout, &["commit", "--quiet", "--all", "--message", "labels"]).await?;
        self.bring(checkout).await
    }

    /// Pushes, and waits likewise.
    async fn bring(&self, checkout: &Path) -> Result<()> {
        git(checkout, &["push", "--quiet", "origin", "HEAD:main"]).await?;
        let head = git(checkout, &["rev-parse", "HEAD"]).await?;
        self.follow(&head).await
    }

    /// Reverts commits, pushes that, and waits likewise.
    pub(crate) async fn revert(&self, checkout: &Path, commits: &[&str]) -> Result<()> {
        git(checkout, &[&["revert", "--no-edit"][..], commits].concat()).await?;
        self.bring(checkout).await
    }

    /// The Apply managers that own the label of `app`.
    async fn has_manager(&self, manager: &str) -> Result<bool> {
        let app = self.app().await?;
        let mut entries = app.metadata.managed_fields.iter().flatten();
        Ok(entries.any(|entry| {
            let owns = entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| fields.0.to_string().contains("sharding"));
            owns && entry.manager.as_deref() == Some(manager)
        }))
    }
}

/// Waits until the labels are in these files of a checkout, and in no other that is named.
pub(crate) async fn labelled(checkout: &Path, files: &[&str], others: &[&str]) -> Result<()> {
    let has_label = |file: &&str| -> Result<bool> {
        Ok(std::fs::read_to_string(checkout.join(file))?.contains("openflux"))
    };
    eventually("the labels to be put into the checkout", async || {
        for file in files {
            if !has_label(file)? {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    for file in others {
        ensure!(!has_label(file)?, "{file} has the label");
    }
    Ok(())
}

#[tokio::test]
async fn a_move_by_commit_waits_for_it_and_goes_back_by_revert() -> Result<()> {
    let fleet = Fleet::start("migrate-via-git").await?;
    let (app, before) = (fleet.handle("ks", "app"), fleet.traces().await?);
    let checkout = fleet.clone_to("checkout").await?;
    let path = checkout.display().to_string();
    let by_git = [
        "migrate",
        "apply",
        &app,
        "--via=git",
        "--git",
        &path,
        "--path",
        "root",
        "--yes",
        "--soak",
        "0",
    ];

    // A hook that fails keeps everything where it is.
    let words = [&by_git[..], &["--hook", "test $OPENFLUX_EVENT = after"]].concat();
    let told = fleet.beside.ends(3, &words).await?;
    ensure!(told.contains("the hook before wave 1 has failed"), "{told}");
    ensure!(
        git(&checkout, &["status", "--porcelain", "--untracked-files=no"])
            .await?
            .is_empty()
    );
    fleet
        .beside
        .ends(2, &["migrate", "apply", &app, "--git", &path, "--yes"])
        .await?;

    let hooks = checkout.with_extension("hooks");
    let hook = format!(
        "echo $OPENFLUX_EVENT $OPENFLUX_RESULT $OPENFLUX_OBJECTS >> {}",
        hooks.display()
    );
    let words = [&by_git[..], &["--hook", &hook]].concat();
    let tool = fleet.begin(&words)?;
    labelled(&checkout, &["root/app.yaml"], &[]).await?;
    ensure!(
        fleet.label(KUSTOMIZATION, "app").await?.is_none(),
        "it came without a commit"
    );
    fleet.publish(&checkout).await?;
    let (told, errors) = ended(tool, 0).await?;
    ensure!(
        errors.contains("Waiting until the labels come from Git"),
        "{errors}"
    );
    ensure!(told.contains("unmoved 3/3"), "{told}");
    ensure!(
        std::fs::read_to_string(&hooks)? == format!("before {app}\nafter moved {app}\n"),
        "{}",
        std::fs::read_to_string(&hooks)?
    );
    ensure!(fleet.has_manager("kustomize-controller").await?);
    ensure!(
        !fleet.has_manager("openflux-migrate").await?,
        "the tool has set the label itself"
    );
    ensure!(fleet.traces().await? == before, "moving wrote to an object");

    fleet.revert(&checkout, &["HEAD"]).await?;
    ensure!(
        fleet.label(KUSTOMIZATION, "app").await?.is_none(),
        "the label is there still"
    );
    fleet.reconcile("app", "by-revert").await?;
    ensure!(fleet.traces().await? == before, "the way back wrote to an object");

    // A commit that brings more than the labels is no move that went well.
    let tool = fleet.begin(&by_git)?;
    labelled(&checkout, &["root/app.yaml"], &[]).await?;
    let settings = checkout.join("deploy/settings.yaml");
    let text = std::fs::read_to_string(&settings)?;
    std::fs::write(&settings, text.replace("blue", "green"))?;
    fleet.publish(&checkout).await?;
    let (told, errors) = ended(tool, 3).await?;
    ensure!(told.contains("commit the labels alone"), "{told}{errors}");
    fleet.revert(&checkout, &["HEAD"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_label_is_handed_over_to_git_and_goes_with_a_revert() -> Result<()> {
    let fleet = Fleet::start("migrate-finish").await?;
    let (app, before) = (fleet.handle("ks", "app"), fleet.traces().await?);
    fleet.move_app().await?;
    let checkout = fleet.clone_to("checkout").await?;
    let path = checkout.display().to_string();
    let finish = ["migrate", "finish", &app, "--git", &path, "--path", "root"];
    let with_cluster = [&finish[..], &["--cluster-too"]].concat();
    let told = fleet
        .beside
        .ends(0, &[&finish[..], &["--write"]].concat())
        .await?;
    ensure!(told.contains("1 label differs, nothing else. Written"), "{told}");

    // What is not committed is nobody's in Git, and what is not applied is not in the cluster.
    let output = fleet.beside.openflux(&with_cluster).await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && errors.contains("commit and push"),
        "{errors}"
    );
    git(&checkout, &["commit", "--quiet", "--all", "--message", "labels"]).await?;
    let told = fleet.beside.ends(1, &with_cluster).await?;
    ensure!(told.contains("push, wait, and try again"), "{told}");
    ensure!(fleet.has_manager("openflux-migrate").await?);

    fleet.bring(&checkout).await?;
    let told = fleet.beside.ends(0, &with_cluster).await?;
    ensure!(told.contains("the label is Git's alone now"), "{told}");
    ensure!(
        !fleet.has_manager("openflux-migrate").await?,
        "the tool owns it still"
    );
    let annotations = fleet.app().await?.metadata.annotations.unwrap_or_default();
    ensure!(
        !annotations.keys().any(|key| key.contains("moved-")),
        "{annotations:?}"
    );
    let verified = fleet.beside.ends(0, &["migrate", "verify"]).await?;
    ensure!(!verified.contains("M203"), "{verified}");

    fleet.revert(&checkout, &["HEAD"]).await?;
    ensure!(
        fleet.label(KUSTOMIZATION, "app").await?.is_none(),
        "the label is there still"
    );
    fleet.reconcile("app", "by-revert").await?;
    ensure!(fleet.traces().await? == before, "an object was written");
    Ok(())
}

#[tokio::test]
async fn a_lost_port_is_forwarded_again() -> Result<()> {
    let fleet = Fleet::start("migrate-port").await?;
    let (app, folder) = (
        fleet.handle("ks", "app"),
        fleet.beside.testbed.dir().join("forwarded"),
    );
    std::fs::create_dir_all(&folder)?;
    // In place of kubectl, which has no pod to forward to here: the first port is lost with the first question.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let (lost, url) = (listener.local_addr()?, fleet.beside.testbed.shadow_url());
    let real = url.trim_start_matches("http://").to_owned();
    let to = real.clone();
    tokio::spawn(async move {
        let mut first = true;
        while let Ok((mut from, _)) = listener.accept().await {
            if std::mem::take(&mut first)
                && let Ok(mut to) = tokio::net::TcpStream::connect(&to).await
            {
                // Either end may go first.
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            }
        }
    });
    let count = folder.join("count");
    let script = format!(
        "#!/bin/sh\nif test -e {count}; then address={real}; else address={lost}; fi\necho x >> {count}\n\
         echo \"Forwarding from $address -> 9292\"\nexec sleep 60\n",
        count = count.display()
    );
    let kubectl = folder.join("kubectl");
    std::fs::write(&kubectl, script)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&kubectl, mode)?;
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let output = fleet
        .beside
        .command(&["migrate", "apply", &app, "--yes", "--soak", "0"])?
        .env_remove("OPENFLUX_SHADOW_URL")
        .env("PATH", path)
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success() && told.contains("proven 2/2"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let asked = std::fs::read_to_string(&count).context("kubectl was not asked")?;
    ensure!(asked.lines().count() == 2, "{asked}");
    fleet.rolls_back(&app).await?;
    Ok(())
}

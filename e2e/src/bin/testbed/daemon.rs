//! `up`, `down` and `status`: one background process owns the testbed and a state file says how to reach it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use e2e::testbed::{Options, S3, Testbed};
use e2e::tools::{self, Tool};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::{interrupted, say};

fn state_file() -> Result<PathBuf> {
    let dir = tools::cache_dir()?;
    fs::create_dir_all(&dir)?;
    Ok(dir.join("testbed.txt"))
}

/// The first line of the state file is the process id, the rest is for people.
fn running() -> Result<Option<(Pid, String)>> {
    let Ok(mut file) = File::open(state_file()?) else {
        return Ok(None);
    };
    // The process holds a lock until it ends, however it ends; its id may be somebody else's by then.
    if file.try_lock_shared().is_ok() {
        return Ok(None);
    }
    let mut state = String::new();
    file.read_to_string(&mut state)?;
    let (pid, text) = state
        .split_once('\n')
        .context("the state file is damaged: remove it")?;
    let pid = pid
        .parse()
        .ok()
        .and_then(Pid::from_raw)
        .context("the state file is damaged: remove it")?;
    Ok(Some((pid, text.to_owned())))
}

pub(crate) async fn up(pods: bool) -> Result<()> {
    if let Some((_, text)) = running()? {
        say(&format!("already up\n{text}"));
        return Ok(());
    }
    let state = state_file()?;
    let log = state.with_extension("log");
    let output = File::create(&log)?;
    // Outside our process group, so that Ctrl-C in this terminal does not reach it.
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .args(pods.then_some("--pods"))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()?;
    say(&format!(
        "starting; a cold cache takes a quarter of an hour, see {}",
        log.display()
    ));
    loop {
        if let Some((_, text)) = running()? {
            say(&text);
            return Ok(());
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status}:\n{}", fs::read_to_string(&log)?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

pub(crate) async fn down() -> Result<()> {
    let Some((pid, _)) = running()? else {
        say("not running");
        return Ok(());
    };
    kill_process(pid, Signal::TERM)?;
    while test_kill_process(pid).is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    say("stopped");
    Ok(())
}

pub(crate) fn status() -> Result<()> {
    match running()? {
        Some((_, text)) => say(&text),
        None => say("not running; start it with: cargo xtask testbed up"),
    }
    Ok(())
}

pub(crate) async fn serve(pods: bool) -> Result<()> {
    let testbed = Testbed::start(Options {
        pods,
        ..Options::default()
    })
    .await?;
    testbed.source_controller().await?;
    testbed.stock_kustomize_controller().await?;
    let repo = testbed.git().await?.create("app").await?;
    let registry = testbed.registry().await?.url("");
    let endpoint = testbed.s3().await?.endpoint();
    let charts = testbed.helm_repository().await?.url();
    let [kubectl, flux] = tools::ensure([Tool::Kubectl, Tool::Flux])?;
    let state = state_file()?;
    let scratch = state.with_extension("partial");
    let text = format!(
        "{}
up, with the stock source-controller and kustomize-controller (which leaves alone what has sharding.fluxcd.io/key):

  export KUBECONFIG={}
  {} get namespaces
  {} get all -A

  git repository   {} (push to main)
  OCI registry     {registry} (no TLS)
  S3 endpoint      {endpoint} (no TLS, access key {}, secret key {})
  Helm repository  {charts}
  logs             {}
",
        std::process::id(),
        testbed.kubeconfig().display(),
        kubectl.display(),
        flux.display(),
        repo.url(),
        S3::ACCESS_KEY,
        S3::SECRET_KEY,
        testbed.logs().display(),
    );
    let mut file = File::create(&scratch)?;
    file.lock()?;
    file.write_all(text.as_bytes())?;
    fs::rename(&scratch, &state)?;
    interrupted().await?;
    fs::remove_file(&state)?;
    Ok(())
}

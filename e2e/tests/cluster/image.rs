//! `cargo xtask image`: others take the archive, it holds what it says, and it can be made again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::Testbed;
use e2e::tools::Tool;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tar::Archive;

/// Makes the archive of a small static program.
fn image(folder: &Path, program: &Path) -> Result<Vec<u8>> {
    let archive = folder.join("openflux.tar");
    let output = Command::new(env!("CARGO_BIN_EXE_image"))
        .arg("--program")
        .arg(program)
        .arg("--output")
        .arg(&archive)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(fs::read(archive)?)
}

/// Compiles a program that needs nothing else.
fn static_program(folder: &Path) -> Result<std::path::PathBuf> {
    let (source, program) = (folder.join("hello.rs"), folder.join("hello"));
    fs::write(&source, "fn main() { println!(\"hello\"); }")?;
    let status = Command::new("rustc")
        .args([
            "-C",
            "target-feature=+crt-static",
            "-C",
            "relocation-model=static",
            "-o",
        ])
        .arg(&program)
        .arg(&source)
        .status()?;
    ensure!(status.success(), "rustc ended with {status}");
    Ok(program)
}

/// The files of a tar.
fn files(tar: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in Archive::new(tar).entries()? {
        let mut entry = entry?;
        let (path, mut bytes) = (entry.path()?.display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes)?;
        if entry.header().entry_type().is_file() {
            files.insert(path, bytes);
        }
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_loaded_by_others_and_holds_one_program() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let folder = tempfile::tempdir()?;
    let program = static_program(folder.path())?;
    let archive = image(folder.path(), &program)?;
    ensure!(
        image(folder.path(), &program)? == archive,
        "the same input makes another archive"
    );

    let path = folder.path().join("openflux.tar").display().to_string();
    testbed
        .run(Tool::Crane, &["validate", "--tarball", &path])
        .await?;
    let registry = testbed.registry().await?.url("openflux/controller");
    let reference = format!("{}:1", registry.trim_start_matches("oci://"));
    testbed
        .run(Tool::Crane, &["push", "--insecure", &path, &reference])
        .await?;
    testbed
        .run(Tool::Crane, &["validate", "--insecure", "--remote", &reference])
        .await?;
    let config: Value = serde_json::from_str(
        &testbed
            .run(Tool::Crane, &["config", "--insecure", &reference])
            .await?,
    )?;
    ensure!(config["config"]["User"] == "65532:65532", "{config}");
    ensure!(
        config["config"]["Entrypoint"][0] == "/usr/local/bin/openflux-controller",
        "{config}"
    );
    let exported = folder.path().join("root.tar");
    let to = exported.display().to_string();
    testbed
        .run(Tool::Crane, &["export", "--insecure", &reference, &to])
        .await?;
    let root = files(&fs::read(exported)?)?;
    let names: Vec<_> = root.keys().map(String::as_str).collect();
    ensure!(
        names
            == [
                "etc/passwd",
                "etc/ssl/certs/ca-certificates.crt",
                "usr/local/bin/openflux-controller"
            ],
        "{names:?}"
    );
    ensure!(
        root["usr/local/bin/openflux-controller"] == fs::read(&program)?,
        "another program"
    );
    let authorities = String::from_utf8_lossy(&root["etc/ssl/certs/ca-certificates.crt"]);
    ensure!(
        authorities.matches("BEGIN CERTIFICATE").count() > 50,
        "{authorities}"
    );

    // As an OCI layout, which containerd reads.
    let layout = folder.path().join("layout");
    Archive::new(archive.as_slice()).unpack(&layout)?;
    let oci = format!("{}:2", registry.trim_start_matches("oci://"));
    let layout = layout.display().to_string();
    testbed
        .run(Tool::Crane, &["push", "--insecure", &layout, &oci])
        .await?;
    testbed
        .run(Tool::Crane, &["validate", "--insecure", "--remote", &oci])
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_with_an_image_tells_what_is_in_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = image(folder.path(), &static_program(folder.path())?)?;
    let read =
        |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(folder.path().join(name))?)?) };

    let bill = read("openflux.cdx.json")?;
    let components = bill["components"].as_array().context("no components")?;
    let named = |name: &str| components.iter().find(|component| component["name"] == name);
    let client = named("kube-client").context("the client is not listed")?;
    ensure!(
        client["hashes"][0]["content"]
            .as_str()
            .is_some_and(|sum| sum.len() == 64),
        "{client}"
    );
    ensure!(client["licenses"][0]["expression"] == "Apache-2.0", "{client}");
    // Not linked: a build script's helper, and what only tests use.
    for other in ["cc", "rcgen"] {
        ensure!(named(other).is_none(), "{other} is listed");
    }

    let statement = read("openflux.provenance.json")?;
    let mut digest = String::new();
    for byte in Sha256::digest(&archive) {
        write!(digest, "{byte:02x}")?;
    }
    ensure!(
        statement["subject"][0]["digest"]["sha256"] == digest.as_str(),
        "{statement}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_needs_a_system_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let error = image(folder.path(), &std::env::current_exe()?).expect_err("it is linked dynamically");
    ensure!(error.to_string().contains("linked dynamically"), "{error:#}");
    ensure!(
        !folder.path().join("openflux.tar").exists(),
        "something was written"
    );
    Ok(())
}

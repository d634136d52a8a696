//! Encrypted files, as the real sops decrypts them, and objects with such in them, as the real kustomize-controller does.
//!
//! The encrypted files stay: a file encrypted anew has other bytes each time. `cases.tsv` lists them with their formats,
//! what sops says of their MAC, and where its output lies.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{Tool, ensure};

use super::{Recorder, build_oracle};

pub(super) const SOPS: Recorder = Recorder {
    name: "sops",
    about: "compat/sops/cases from `sops decrypt` (cases.tsv) and kustomize-controller (objects.jsonl), and compat/kustomize-sops/cases from the latter",
    run,
};

fn run(root: &Path) -> Result<()> {
    let [sops] = ensure([Tool::Sops])?;
    let cases = root.join("compat/sops/cases");
    let home = Home::create()?;
    for name in ["rsa", "cv25519", "nistp256", "protected"] {
        // The real sops runs gpg for keys of OpenPGP, so that it has to be there.
        let import = Command::new("gpg")
            .args(["--batch", "--quiet", "--import"])
            .arg(cases.join("keys").join(name).with_extension("asc"))
            .env("GNUPGHOME", &home.0)
            .status()
            .context("cannot run gpg, which sops needs")?;
        if !import.success() {
            bail!("gpg cannot import the key {name}");
        }
    }
    let list = fs::read_to_string(cases.join("cases.tsv"))?;
    let mut recorded = String::new();
    for line in list.lines() {
        if line.starts_with('#') {
            recorded.push_str(line);
        } else {
            recorded.push_str(&record(&sops, &cases, &home.0, line).with_context(|| line.to_owned())?);
        }
        recorded.push('\n');
    }
    fs::write(cases.join("cases.tsv"), recorded)?;
    let oracle = build_oracle(root, "decrypt-oracle")?;
    let keys = ["a", "b"].map(|name| key_file(&cases, name));
    let objects = ["objects".into(), cases.join("objects.jsonl")];
    crate::workspace::run(Command::new(&oracle).args(objects).args(&keys))?;
    let trees = root.join("compat/kustomize-sops/cases");
    let tree = ["tree".into(), trees.join("in"), trees.join("want")];
    crate::workspace::run(Command::new(&oracle).args(tree).args(&keys))
}

/// A home for gpg, which goes with its keys.
struct Home(PathBuf);

impl Home {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("record-sops-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What is left of it is in a folder for such things.
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", &self.0)
            .status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key_file(cases: &Path, name: &str) -> PathBuf {
    cases.join("keys").join(name).with_extension("agekey")
}

/// Asks twice: for what is in the file, whatever its MAC, and for what sops says of the MAC.
fn record(sops: &Path, cases: &Path, home: &Path, line: &str) -> Result<String> {
    let [file, from, to, _, known] = line.split('\t').collect::<Vec<_>>()[..] else {
        bail!(
            "a case has a file, its format, the format that it is printed in, and two fields for the outcome"
        );
    };
    let keys = ["a", "b", "pq"].map(|name| fs::read_to_string(key_file(cases, name)));
    let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?.join("\n");
    // The key of SSH that a file is for is named as the file is.
    let ssh = file
        .strip_prefix("key-")
        .and_then(|name| name.strip_suffix(".yaml"));
    let ssh = ssh
        .filter(|name| name.starts_with("ssh-"))
        .map(|name| cases.join("keys").join(name));
    let ask = |more: &[&str]| -> Result<Output> {
        Ok(Command::new(sops)
            .arg("decrypt")
            .args(more)
            .args(["--input-type", from, "--output-type", to])
            .arg(cases.join("enc").join(file))
            .env_clear()
            .env("HOME", cases)
            .env("GNUPGHOME", home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SOPS_AGE_KEY", &keys)
            .envs(ssh.iter().map(|path| ("SOPS_AGE_SSH_PRIVATE_KEY_FILE", path)))
            .output()?)
    };
    let output = ask(&["--ignore-mac"])?;
    if !output.status.success() {
        return Ok([file, from, to, "fails", "-"].join("\t"));
    }
    let mac = if ask(&[])?.status.success() {
        "ok"
    } else {
        "mismatch"
    };
    // A file may be read in two formats, so that a case says where its output is once there is one.
    let want = match known {
        "-" if from == to => file.to_owned(),
        "-" => format!("{file}.as-{to}"),
        known => known.to_owned(),
    };
    fs::write(cases.join("want").join(&want), output.stdout)?;
    Ok([file, from, to, mac, &want].join("\t"))
}

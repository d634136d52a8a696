//! Encrypted files, as the real sops decrypts them, and objects with such in them, as the real kustomize-controller does.
//!
//! The encrypted files stay: a file encrypted anew has other bytes each time. `cases.tsv` lists them with their formats,
//! what sops says of their MAC, and where its output lies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{Tool, ensure};

use super::{Recorder, build_oracle};

pub(super) const SOPS: Recorder = Recorder {
    name: "sops",
    about: "compat/sops/cases from `sops decrypt` (cases.tsv) and kustomize-controller (objects.jsonl)",
    run,
};

fn run(root: &Path) -> Result<()> {
    let [sops] = ensure([Tool::Sops])?;
    let cases = root.join("compat/sops/cases");
    let list = fs::read_to_string(cases.join("cases.tsv"))?;
    let mut recorded = String::new();
    for line in list.lines() {
        if line.starts_with('#') {
            recorded.push_str(line);
        } else {
            recorded.push_str(&record(&sops, &cases, line).with_context(|| line.to_owned())?);
        }
        recorded.push('\n');
    }
    fs::write(cases.join("cases.tsv"), recorded)?;
    crate::workspace::run(
        Command::new(build_oracle(root, "decrypt-oracle")?)
            .arg(cases.join("objects.jsonl"))
            .args(["a", "b"].map(|name| key_file(&cases, name))),
    )
}

fn key_file(cases: &Path, name: &str) -> PathBuf {
    cases.join("keys").join(name).with_extension("agekey")
}

/// Asks twice: for what is in the file, whatever its MAC, and for what sops says of the MAC.
fn record(sops: &Path, cases: &Path, line: &str) -> Result<String> {
    let [file, from, to, _, known] = line.split('\t').collect::<Vec<_>>()[..] else {
        bail!(
            "a case has a file, its format, the format that it is printed in, and two fields for the outcome"
        );
    };
    let keys = ["a", "b"].map(|name| fs::read_to_string(key_file(cases, name)));
    let keys = keys.into_iter().collect::<Result<Vec<_>, _>>()?.join("\n");
    let ask = |more: &[&str]| -> Result<Output> {
        Ok(Command::new(sops)
            .arg("decrypt")
            .args(more)
            .args(["--input-type", from, "--output-type", to])
            .arg(cases.join("enc").join(file))
            .env_clear()
            .env("HOME", cases)
            .env("SOPS_AGE_KEY", &keys)
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

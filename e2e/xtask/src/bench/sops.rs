//! Decryption of files by the real kustomize-controller's decryptor and by ours, both in process.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Benchmark;
use crate::record::build_oracle;
use crate::workspace::{cargo, root, say};

pub(super) const SOPS: Benchmark = Benchmark {
    name: "sops",
    about: "[--write]: 100 files of each kind of key, decrypted in process",
    run: measure,
};

const FILE: &str = "e2e/benchmarks/sops.md";
const COUNT: &str = "100";

/// A file, and the keys that are at hand for it.
const CASES: [(&str, &str, &str); 7] = [
    ("age, a Secret", "secret.yaml", "a.agekey"),
    ("age, many comments and types", "comments.yaml", "a.agekey"),
    ("age, post-quantum", "key-pq.yaml", "pq.agekey"),
    ("OpenPGP, RSA 2048", "key-pgp-rsa.yaml", "rsa.asc"),
    ("OpenPGP, Curve25519", "key-pgp-cv25519.yaml", "cv25519.asc"),
    ("OpenPGP, NIST P-256", "key-pgp-nistp256.yaml", "nistp256.asc"),
    ("three key groups", "key-groups.yaml", "a.agekey,b.agekey,rsa.asc"),
];

fn measure(options: &[String]) -> Result<()> {
    let oracle = build_oracle(&root(), "decrypt-oracle")?;
    let cases = root().join("compat/sops/cases");
    let mut text = "| 100 files | stock | ours | |\n|---|---|---|---|\n".to_owned();
    for (name, file, keys) in CASES {
        let mut arguments = vec![cases.join("enc").join(file).into_os_string(), COUNT.into()];
        arguments.extend(
            keys.split(',')
                .map(|key| cases.join("keys").join(key).into_os_string()),
        );
        let mut stock = Command::new(&oracle);
        stock.arg("bench").args(&arguments);
        let mut ours = cargo([
            "bench",
            "--quiet",
            "--package",
            "sops",
            "--bench",
            "decrypt",
            "--",
        ]);
        ours.args(&arguments);
        let (stock, ours) = (nanoseconds(stock)?, nanoseconds(ours)?);
        let shown = |each: f64| format!("{:.1} ms", each * 100.0 / 1e6);
        let times = stock / ours;
        let row = format!("| {name} | {} | {} | {times:.0}x |\n", shown(stock), shown(ours));
        text.push_str(&row);
    }
    say(&text);
    if options.iter().any(|option| option == "--write") {
        super::keep(FILE, &text)?;
    }
    Ok(())
}

/// The fastest of three runs.
fn nanoseconds(mut command: Command) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            bail!("{command:?} ended with {}", output.status);
        }
        let text = String::from_utf8(output.stdout)?;
        let each: f64 = text.trim().parse().with_context(|| text.clone())?;
        least = least.min(each);
    }
    Ok(least)
}

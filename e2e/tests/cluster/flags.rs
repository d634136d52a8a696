//! The flags of stock kustomize-controller: ours takes each of them, in every form, so that the arguments of one
//! serve the other.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::testbed::controller;
use e2e::tools::{self, Tool};

/// Flags whose default is ours on purpose; COMPATIBILITY.md says why.
const OTHER_DEFAULTS: [&str; 3] = ["kube-api-burst", "kube-api-qps", "watch-label-selector"];

/// A flag as the help of a Go program has it.
#[derive(Debug)]
struct Flag {
    name: String,
    /// Empty for a boolean.
    kind: String,
    /// Empty for none.
    default: String,
}

fn flags(help: &str) -> Vec<Flag> {
    let lines = help
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("--"));
    let flag = |line: &str| {
        let (head, text) = line.split_once("  ").unwrap_or((line, ""));
        let (name, kind) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
        let default = text.rsplit_once("(default ").map_or("", |(_, default)| default);
        Flag {
            name: name.to_owned(),
            kind: kind.to_owned(),
            default: default.trim_end_matches(')').trim_matches('"').to_owned(),
        }
    };
    lines.map(flag).collect()
}

/// What our controller says when it is started with these arguments, and with no cluster to be found.
fn start(arguments: &[String]) -> Result<String> {
    let output = Command::new(controller()?)
        .arg("run")
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", "/nonexistent")
        .output()?;
    ensure!(!output.status.success(), "{arguments:?} found a cluster");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Values that Go's flags of a kind take.
fn values(flag: &Flag) -> Result<Vec<&'static str>> {
    Ok(match (flag.name.as_str(), flag.kind.as_str()) {
        ("log-level", _) => vec!["debug"],
        ("log-encoding", _) => vec!["console"],
        ("watch-label-selector" | "watch-configs-label-selector", _) => vec!["a=b", "!a"],
        ("feature-gates", "mapStringBool") => vec!["StrictPostBuildSubstitutions=false", "GroupChangeLog=1"],
        (_, "string" | "stringArray") => vec!["some"],
        (_, "int" | "uint8") => vec!["7", "0x7"],
        (_, "float32") => vec!["0.5", "100"],
        (_, "duration") => vec!["1m30s"],
        other => bail!("flags of the kind {other:?} are not known to this test"),
    })
}

#[test]
fn every_flag_of_stock_is_taken_in_all_its_forms() -> Result<()> {
    let [stock] = tools::ensure([Tool::KustomizeController])?;
    let help = Command::new(stock).arg("--help").output()?;
    let stock = flags(&String::from_utf8(help.stderr)?);
    ensure!(stock.len() > 30, "{stock:?}");
    for flag in &stock {
        let name = &flag.name;
        let forms = if flag.kind.is_empty() {
            let values = ["1", "0", "t", "F", "true", "FALSE", "True"];
            let with = values.map(|value| vec![format!("--{name}={value}")]);
            let twice = vec![format!("--{name}"), format!("--{name}=false")];
            [vec![format!("--{name}")], twice]
                .into_iter()
                .chain(with)
                .collect()
        } else {
            let mut forms = Vec::new();
            for value in values(flag)? {
                let one = format!("--{name}={value}");
                forms.push(vec![one.clone()]);
                forms.push(vec![one.clone(), one]);
                forms.push(vec![format!("--{name}"), value.to_owned()]);
            }
            forms
        };
        for form in forms {
            let mut arguments = form.clone();
            if name.ends_with("-service-account") {
                arguments.push("--feature-gates=ObjectLevelWorkloadIdentity=true".to_owned());
            }
            let said = start(&arguments)?;
            ensure!(said.contains("no cluster"), "{form:?}: {said}");
        }
    }
    // What is for one deployer alone is looked at like what is for all.
    let said = start(&["--kustomize.concurrent=2".to_owned(), "--concurrent=3".to_owned()])?;
    ensure!(said.contains("no cluster"), "{said}");
    for wrong in [
        "--kustomize.concurrent=x",
        "--kustomize.nope=1",
        "--nobody.concurrent=2",
        "--interlock=maybe",
        "--concurrent=x",
        "--nope",
        "--requeue-dependency=5",
    ] {
        let said = start(&[wrong.to_owned()])?;
        ensure!(!said.contains("no cluster"), "{wrong} was taken");
    }
    Ok(())
}

#[test]
fn defaults_are_those_of_stock() -> Result<()> {
    let [stock] = tools::ensure([Tool::KustomizeController])?;
    let help = Command::new(stock).arg("--help").output()?;
    let ours = Command::new(controller()?).args(["run", "--help"]).output()?;
    let ours = String::from_utf8(ours.stdout)?;
    let seconds = |text: &str| text.replace("0m0s", "").replace("m0s", "m");
    for flag in flags(&String::from_utf8(help.stderr)?) {
        let start = ours
            .find(&format!("--{} ", flag.name))
            .or_else(|| ours.find(&format!("--{}[", flag.name)))
            .with_context(|| format!("--{} is not in our help", flag.name))?;
        let entry = &ours[start..];
        let entry = entry.find("\n      --").map_or(entry, |end| &entry[..end]);
        let default = entry.split_once("[default: ").map_or("", |(_, rest)| {
            rest.split_once(']').map_or(rest, |(default, _)| default)
        });
        let default = if default == "false" || default == "\"\"" {
            ""
        } else {
            default
        };
        let differs = seconds(default) != seconds(&flag.default);
        let declared = OTHER_DEFAULTS.contains(&flag.name.as_str());
        ensure!(differs == declared, "{flag:?}, ours {default:?}");
    }
    Ok(())
}

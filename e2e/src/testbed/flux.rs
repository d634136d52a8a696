//! The stock Flux controllers.

use std::path::Path;

use anyhow::Result;

use super::ports::free_port;
use super::process::Process;
use super::services::wait_for_port;
use crate::tools::{self, Tool};

/// A stock Flux controller that deploys or notifies; the source-controller has its own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// kustomize-controller.
    Kustomize,
    /// helm-controller.
    Helm,
    /// notification-controller.
    Notification,
}

impl Stock {
    fn tool(self) -> Tool {
        match self {
            Self::Kustomize => Tool::KustomizeController,
            Self::Helm => Tool::HelmController,
            Self::Notification => Tool::NotificationController,
        }
    }

    /// Starts the controller with the flags that every run here shares, and `arguments` after them.
    pub(super) fn start(self, kubeconfig: &Path, logs: &Path, arguments: &[&str]) -> Result<Process> {
        let [program] = tools::ensure([self.tool()])?;
        let arguments = COMMON.iter().chain(arguments);
        // The kustomize-controller removes what others have unpacked when it starts.
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY)
            .tempdir_in(logs)?
            .keep()
            .display()
            .to_string();
        let environment: Vec<_> = environment(kubeconfig)
            .into_iter()
            .chain([("TMPDIR", temporary)])
            .collect();
        Process::spawn(self.tool().name(), logs, &program, arguments, &environment)
    }
}

/// What the names of the folders begin with that stock has for what is temporary.
const TEMPORARY: &str = "tmp-";

/// What comes before the number of a folder that stock's kustomize-controller unpacks an artifact into.
const UNPACKED: &str = "/kustomization-";

/// Tells a text without the folders that stock's kustomize-controller unpacks artifacts into, as if it did so at the root; what
/// is beside them is in `/tmp`, where it unpacks by itself.
pub fn without_unpacked(text: &str) -> String {
    without_temporary(&without_folders(text))
}

fn without_folders(text: &str) -> String {
    let (mut neutral, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(UNPACKED) {
        rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if rest.len() == after.len() {
            neutral.push_str(before);
            neutral.push_str(UNPACKED);
            continue;
        }
        neutral.push_str(before.trim_end_matches(is_of_a_path));
        if !rest.starts_with('/') {
            neutral.push('/');
        }
    }
    neutral.push_str(rest);
    neutral
}

fn without_temporary(text: &str) -> String {
    /// How many letters and digits make the name of a folder of its own.
    const CHANCE: usize = 6;
    let (mut neutral, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(TEMPORARY) {
        let end = after.find(|c: char| !c.is_ascii_alphanumeric());
        let (name, further) = after.split_at(end.unwrap_or(after.len()));
        if name.len() == CHANCE && before.ends_with('/') {
            neutral.push_str(before.trim_end_matches(is_of_a_path));
            neutral.push_str("/tmp");
        } else {
            neutral.push_str(before);
            neutral.push_str(TEMPORARY);
            neutral.push_str(name);
        }
        rest = further;
    }
    neutral.push_str(rest);
    neutral
}

fn is_of_a_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-_.".contains(c)
}

const COMMON: [&str; 5] = [
    "--watch-all-namespaces",
    "--metrics-addr=:0",
    "--health-addr=:0",
    "--events-addr=",
    "--log-level=info",
];

fn environment(kubeconfig: &Path) -> [(&'static str, String); 2] {
    [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("RUNTIME_NAMESPACE", "flux-system".to_owned()),
    ]
}

/// The stock source-controller and the address of its artifacts.
#[derive(Debug)]
pub struct SourceController {
    port: u16,
    process: Process,
}

impl SourceController {
    pub(super) fn start(kubeconfig: &Path, dir: &Path, logs: &Path) -> Result<Self> {
        let [program] = tools::ensure([Tool::SourceController])?;
        let port = free_port()?;
        std::fs::create_dir_all(dir)?;
        let own = [
            format!("--storage-path={}", dir.display()),
            format!("--storage-addr=127.0.0.1:{port}"),
            format!("--storage-adv-addr=127.0.0.1:{port}"),
            "--concurrent=10".to_owned(),
        ];
        let arguments = COMMON.iter().map(ToString::to_string).chain(own);
        let mut process = Process::spawn(
            "source-controller",
            logs,
            &program,
            arguments,
            &environment(kubeconfig),
        )?;
        wait_for_port(port, &mut process)?;
        Ok(Self { port, process })
    }

    /// Host and port of its artifacts.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process, to stop it or to see what it prints.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_left_out_and_nothing_else() {
        for (text, expected) in [
            ("stat /tmp/kustomization-123/a: no", "stat /a: no"),
            ("'/dev/shm/b-1/logs/tmp-x_Y/kustomization-9' is", "'/' is"),
            ("Kind/kustomization-a and x", "Kind/kustomization-a and x"),
            ("read /dev/shm/b-1/logs/tmp-x1Y2z3/a: no", "read /tmp/a: no"),
            (
                "'/logs/tmp-x1Y2z3' is, tmp-x1Y2z3 and /tmp-x1",
                "'/tmp' is, tmp-x1Y2z3 and /tmp-x1",
            ),
        ] {
            assert_eq!(without_unpacked(text), expected);
        }
    }
}

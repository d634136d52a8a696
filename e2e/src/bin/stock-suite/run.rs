//! A run of the tests: on a control plane that they start themselves, and that ends with them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{Tool, ensure};

use crate::outcome::Outcomes;
use crate::prepare::{Side, Suite};
use crate::say::say;

/// How long all tests may take; stock needs about six minutes.
const TIMEOUT: &str = "-test.timeout=40m";

/// Starts a server, and ends it with whoever wanted it: tests that are killed leave theirs behind.
const SERVER: &str = r#"#!/bin/sh
"PROGRAM" "$@" &
server=$!
trap 'kill "$server" 2>/dev/null' TERM INT
(
  while kill -0 "$PPID"; do
    kill -0 "$server" || exit
    sleep 1
  done
  kill -s KILL "$server"
) >/dev/null 2>&1 &
wait "$server"
wait "$server"
"#;

/// Runs the tests.
pub(crate) struct Runner<'s> {
    suite: &'s Suite,
    environment: Vec<(&'static str, OsString)>,
    pattern: &'s str,
}

impl<'s> Runner<'s> {
    /// Prepares to run the tests that match a pattern; all of them if it is empty.
    pub(crate) fn new(
        suite: &'s Suite,
        pattern: &'s str,
        openbao: Option<&Path>,
        controller: &Path,
    ) -> Result<Self> {
        let [etcd, api_server, kubectl, sops] =
            ensure([Tool::Etcd, Tool::KubeApiserver, Tool::Kubectl, Tool::Sops])?;
        let assets = suite.folder().join("assets");
        fs::create_dir_all(&assets)?;
        for (name, program) in [
            ("etcd", &etcd),
            ("kube-apiserver", &api_server),
            ("kubectl", &kubectl),
        ] {
            let path = assets.join(name);
            fs::write(&path, SERVER.replace("PROGRAM", &program.display().to_string()))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let temporary = suite.folder().join("tmp");
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        fs::create_dir_all(&temporary)?;
        let mut search: Vec<PathBuf> = sops.parent().map(Path::to_owned).into_iter().collect();
        search.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let mut environment = vec![
            ("KUBEBUILDER_ASSETS", assets.into_os_string()),
            ("PATH", std::env::join_paths(search)?),
            ("TMPDIR", temporary.into_os_string()),
            ("OPENFLUX_CONTROLLER", controller.canonicalize()?.into_os_string()),
            (
                "OPENFLUX_SUITE_LOG",
                suite.folder().join("openflux-controller.log").into_os_string(),
            ),
        ];
        if let Some(openbao) = openbao {
            environment.push(("OPENFLUX_OPENBAO", openbao.canonicalize()?.into_os_string()));
        }
        Ok(Self {
            suite,
            environment,
            pattern,
        })
    }

    /// Runs the tests of one side, and tells how each ended.
    pub(crate) fn run(&self, side: Side) -> Result<Outcomes> {
        let log = self.suite.folder().join(format!("{}.log", side.name()));
        say(&format!(
            "running the tests of {}, see {} ...",
            side.name(),
            log.display()
        ));
        if side == Side::Ours {
            // It is appended to by each start of the program.
            fs::write(self.suite.folder().join("openflux-controller.log"), "")?;
        }
        let mut file = File::create(&log)?;
        let mut tests = Command::new(self.suite.program(side))
            .args(["-test.v=true", TIMEOUT, "-test.run", self.pattern])
            .current_dir(self.suite.package(side))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env_remove("RUNTIME_NAMESPACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()
            .context("starting the tests")?;
        let mut outcomes = Outcomes::default();
        let output = tests.stdout.take().context("the tests have an output")?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            file.write_all(&line)?;
            file.write_all(b"\n")?;
            let line = String::from_utf8_lossy(&line);
            if outcomes.take(&line) {
                say(&line);
            }
        }
        let status = tests.wait()?;
        if outcomes.is_empty() {
            bail!("no test was run ({status}); see {}", log.display());
        }
        if !outcomes.is_whole() {
            bail!("the tests broke off ({status}); see {}", log.display());
        }
        Ok(outcomes)
    }
}

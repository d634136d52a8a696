//! A controller that stores artifacts, in a process of its own, with a volume that outlives it.

use std::path::PathBuf;

use anyhow::Result;
use e2e::testbed::{Namespace, Process, Testbed, free_port};

/// The controller of one test.
pub(crate) struct Producer {
    testbed: &'static Testbed,
    namespace: Namespace,
    name: String,
    arguments: Vec<String>,
    pub(crate) volume: PathBuf,
    pub(crate) address: String,
    process: Process,
}

impl Producer {
    /// Starts with these controllers and flags.
    ///
    /// With a bridge it sees one namespace, since bridges write to all Artifacts that there are.
    pub(crate) fn start(
        testbed: &'static Testbed,
        namespace: &Namespace,
        name: &str,
        controllers: &str,
        flags: &[&str],
    ) -> Result<Self> {
        let mut arguments = vec![
            format!("--controllers={controllers}"),
            "--storage-reserve=0".to_owned(),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let volume = testbed.dir().join(format!("volume-{name}"));
        let address = format!("127.0.0.1:{}", free_port()?);
        let process = spawn(testbed, namespace, name, &arguments, &volume, &address)?;
        Ok(Self {
            testbed,
            namespace: namespace.clone(),
            name: name.to_owned(),
            arguments,
            volume,
            address,
            process,
        })
    }

    /// Ends the process as a failing machine does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Ends the process as a failing machine does, and starts it anew.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = self.another(&self.address)?;
        Ok(())
    }

    /// Starts a second process on the same volume, which serves at another address.
    pub(crate) fn another(&self, address: &str) -> Result<Process> {
        spawn(
            self.testbed,
            &self.namespace,
            &self.name,
            &self.arguments,
            &self.volume,
            address,
        )
    }
}

fn spawn(
    testbed: &Testbed,
    namespace: &Namespace,
    name: &str,
    arguments: &[String],
    volume: &std::path::Path,
    address: &str,
) -> Result<Process> {
    let place = [
        format!("--storage-path={}", volume.display()),
        format!("--storage-addr={address}"),
    ];
    let all: Vec<_> = arguments.iter().chain(&place).map(String::as_str).collect();
    if all.iter().any(|argument| argument.contains("bridge")) {
        testbed.start_openflux_within(namespace, name, &all)
    } else {
        testbed.start_openflux(name, &all)
    }
}

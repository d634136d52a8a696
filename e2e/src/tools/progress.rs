//! A Go build that says how far it is: minutes without a line look like a build that hangs.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::ToolError;
use super::build::{cannot_start, say};

/// Time between two lines about one build.
const PERIOD: Duration = Duration::from_secs(15);
/// How much of what the compiler says is kept for the error; its last words name the cause.
const KEPT_LINES: usize = 60;

/// Runs `go build -v`, whose stderr names each module that is downloaded and each package that is compiled.
///
/// # Errors
/// The last lines of what the build printed, if it failed.
pub(super) fn run(mut command: Command, tool: &'static str) -> Result<(), ToolError> {
    let failed = |output: String| ToolError::Build { tool, output };
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot_start(&error, tool))?;
    let mut kept = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        let mut count = Count::default();
        let (start, mut said) = (Instant::now(), Instant::now());
        for line in BufReader::new(stderr).lines() {
            let line = line.map_err(|error| failed(error.to_string()))?;
            count.take(&line);
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
            if said.elapsed() >= PERIOD {
                said = Instant::now();
                say(&format!("  {tool}: {:.0?}, {count}", start.elapsed()));
            }
        }
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    Err(failed(Vec::from(kept).join("\n")))
}

/// What a build has done so far.
#[derive(Default)]
struct Count {
    modules: usize,
    packages: usize,
}

impl Count {
    fn take(&mut self, line: &str) {
        if line.starts_with("go: downloading ") {
            self.modules += 1;
        } else if !line.contains(' ') && !line.is_empty() {
            self.packages += 1;
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.packages == 0 {
            return write!(f, "{} modules downloaded", self.modules);
        }
        write!(f, "{} packages compiled", self.packages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_and_packages_are_counted_apart_from_messages() {
        let mut count = Count::default();
        count.take("go: downloading k8s.io/api v0.36.3");
        assert_eq!(count.to_string(), "1 modules downloaded");
        for line in ["# k8s.io/api/core/v1", "vet: it failed", "", "k8s.io/api/core/v1"] {
            count.take(line);
        }
        assert_eq!(count.to_string(), "1 packages compiled");
    }

    #[test]
    fn a_failed_build_gives_the_last_words_of_the_compiler() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 1 100 >&2; echo x.go:1: broken >&2; exit 1"]);
        let Err(ToolError::Build { tool, output }) = run(command, "demo") else {
            panic!("it has to fail");
        };
        assert_eq!(tool, "demo");
        assert!(output.ends_with("x.go:1: broken"), "{output}");
        assert_eq!(output.lines().count(), KEPT_LINES);
    }
}

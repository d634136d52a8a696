//! The watch over memory behind the gate `OOMWatch`: near the limit of its control group, the process ends in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use controller_process::values::{duration, integer};
use tokio_util::sync::CancellationToken;

/// Flags of the watch; without the gate they are without effect.
#[derive(Args, Clone, Debug)]
pub(crate) struct OomFlags {
    /// Share of the memory limit in percent at which the process ends, with the gate OOMWatch.
    #[arg(long = "oom-watch-memory-threshold", default_value_t = 95, value_parser = integer::<u8>)]
    pub(crate) memory_threshold: u8,
    /// Time between two looks at the memory, with the gate OOMWatch.
    #[arg(long = "oom-watch-interval", default_value = "500ms", value_parser = duration)]
    pub(crate) interval: Duration,
    /// File with the memory limit, for the gate OOMWatch; found by itself when it is not given.
    #[arg(
        long = "oom-watch-max-memory-path",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) max_memory_path: String,
    /// File with the memory in use, for the gate OOMWatch; found by itself when it is not given.
    #[arg(
        long = "oom-watch-current-memory-path",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) current_memory_path: String,
}

/// Why the memory cannot be watched.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OomError {
    /// The threshold is no share.
    #[error("memory usage percent threshold must be between 1 and 100, got {0}")]
    Threshold(u8),
    /// It would look too often.
    #[error("interval must be at least 50ms, got {0:?}")]
    Interval(Duration),
    /// Neither version of control groups is where it is looked for.
    #[error("failed to discover {what}, please specify {them} manually")]
    NotFound {
        /// What is missing.
        what: &'static str,
        /// It, or them.
        them: &'static str,
    },
    /// The file with the memory in use is not there.
    #[error("failed to confirm existence of current memory usage file: {0}")]
    Current(String),
    /// The limit cannot be read, or there is none.
    #[error("failed to read memory usage limit: {0}")]
    Limit(String),
}

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(50);

/// A watch that can begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OomWatch {
    max: u64,
    current: PathBuf,
    threshold: u8,
    interval: Duration,
}

impl OomWatch {
    /// Finds the files, below `groups` where the flags do not name them, and reads the limit.
    ///
    /// # Errors
    /// See [`OomError`].
    pub(crate) fn new(flags: &OomFlags, groups: &Path) -> Result<Self, OomError> {
        let (threshold, interval) = (flags.memory_threshold, flags.interval);
        if !(1..=100).contains(&threshold) {
            return Err(OomError::Threshold(threshold));
        }
        if interval < SHORTEST {
            return Err(OomError::Interval(interval));
        }
        let find = |given: &str, files: [&str; 2]| {
            let given = (!given.is_empty()).then(|| PathBuf::from(given));
            let found = || {
                let mut files = files.into_iter().map(|file| groups.join(file));
                files.find(|file| fs::symlink_metadata(file).is_ok())
            };
            given.or_else(found)
        };
        let max = find(
            &flags.max_memory_path,
            ["memory.max", "memory/memory.limit_in_bytes"],
        );
        let current = find(
            &flags.current_memory_path,
            ["memory.current", "memory/memory.usage_in_bytes"],
        );
        let missing = |what, them| OomError::NotFound { what, them };
        let (max, current) = match (max, current) {
            (Some(max), Some(current)) => (max, current),
            (None, None) => return Err(missing("cgroup paths", "them")),
            (None, _) => return Err(missing("max memory path", "it")),
            (_, None) => return Err(missing("current memory path", "it")),
        };
        fs::symlink_metadata(&current).map_err(|error| OomError::Current(error.to_string()))?;
        Ok(Self {
            max: number(&max).map_err(OomError::Limit)?,
            current,
            threshold,
            interval,
        })
    }

    /// Ends the process in order when its group is near its limit; what runs is given its time to end.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let near = async {
            loop {
                tokio::time::sleep(self.interval).await;
                match number(&self.current) {
                    Ok(current) if self.is_near(current) => return current,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(error, "Failed to read current memory usage, skipping check");
                    }
                }
            }
        };
        if let Some(current) = shutdown.run_until_cancelled(near).await {
            tracing::info!(
                "Memory usage is near OOM ({}/{}), shutting down",
                size(current),
                size(self.max)
            );
            shutdown.cancel();
        }
    }

    fn is_near(&self, current: u64) -> bool {
        u128::from(current) * 100 >= u128::from(self.max) * u128::from(self.threshold)
    }
}

fn number(file: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let text = text.trim();
    text.parse()
        .map_err(|_| format!("{text:?} is no number of bytes"))
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    if bytes == 0 {
        return "-".to_owned();
    }
    let mut size = bytes as f64;
    let mut unit = None;
    for next in ['K', 'M', 'G', 'T', 'P', 'E'] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = Some(next);
    }
    unit.map_or_else(|| format!("{bytes} B"), |unit| format!("{size:.1} {unit}iB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> OomFlags {
        OomFlags {
            memory_threshold: 95,
            interval: Duration::from_millis(50),
            max_memory_path: String::new(),
            current_memory_path: String::new(),
        }
    }

    #[test]
    fn files_of_either_version_are_found() {
        let groups = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = groups.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let watch = || OomWatch::new(&flags(), groups.path());
        assert!(matches!(watch(), Err(OomError::NotFound { .. })));
        write("memory/memory.limit_in_bytes", "2000\n");
        assert!(matches!(watch(), Err(OomError::NotFound { .. })));
        write("memory/memory.usage_in_bytes", "10\n");
        assert_eq!(watch().unwrap().max, 2000);
        write("memory.max", "1000");
        write("memory.current", "1");
        let found = watch().unwrap();
        assert_eq!(
            (found.max, found.current),
            (1000, groups.path().join("memory.current"))
        );
        write("memory.max", "max\n");
        assert!(matches!(watch(), Err(OomError::Limit(_))));
        let mut wrong = flags();
        wrong.memory_threshold = 0;
        assert_eq!(OomWatch::new(&wrong, groups.path()), Err(OomError::Threshold(0)));
    }

    #[tokio::test]
    async fn the_process_ends_near_its_limit() {
        let groups = tempfile::tempdir().unwrap();
        let current = groups.path().join("memory.current");
        fs::write(groups.path().join("memory.max"), "1000").unwrap();
        fs::write(&current, "949").unwrap();
        let watch = OomWatch::new(&flags(), groups.path()).unwrap();
        assert!(!watch.is_near(949) && watch.is_near(950));
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(watch.run(shutdown.clone()));
        fs::write(&current, "950").unwrap();
        tokio::time::timeout(Duration::from_secs(20), shutdown.cancelled())
            .await
            .unwrap();
        running.await.unwrap();
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, text) in [
            (0, "-"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}

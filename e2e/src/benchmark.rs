//! What the benchmarks share: the machine they ran on, and the pages that keep their last figures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Describes this machine: `2 cores (MODEL), 24 GiB, Linux 6.1`.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let proc = |file: &str| std::fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&proc("cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = value(&proc("meminfo"), "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .unwrap_or_default();
    let kernel = proc("sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    format!(
        "{cores} cores ({model}), {:.0} GiB, Linux {}",
        memory / f64::from(1 << 20),
        kernel.join(".")
    )
}

/// Replaces `e2e/benchmarks/<name>.md` and returns its path.
///
/// # Errors
/// The file cannot be written.
pub fn write_page(name: &str, text: &str) -> Result<PathBuf> {
    let path = page(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Replaces the section of `e2e/benchmarks/<name>.md` that has the same title, its first line.
///
/// # Errors
/// The file cannot be read or written, or has no such section.
pub fn replace_section(name: &str, section: &str) -> Result<()> {
    let path = page(name);
    let old = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let title = section.lines().next().unwrap_or_default();
    let begin = old
        .find(&format!("{title}\n"))
        .with_context(|| format!("{} has no section {title:?}", path.display()))?;
    let (before, rest) = old.split_at(begin);
    let after = rest
        .find("\n## ")
        .and_then(|end| rest.get(end..))
        .unwrap_or_default();
    std::fs::write(&path, format!("{before}{section}{after}")).with_context(|| path.display().to_string())
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benchmarks")
        .join(format!("{name}.md"))
}

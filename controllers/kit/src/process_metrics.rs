//! What the process takes of the machine, under the names of the Prometheus clients, read from `/proc`.

use std::fs;
use std::path::Path;

use prometheus::{Counter, Gauge, Registry};

/// Ticks of the kernel's clocks in a second, as programs see them on Linux.
const TICKS: f64 = 100.0;

/// The families that are read anew for each look at the metrics; none where there is no `/proc`.
#[derive(Clone)]
pub(crate) struct ProcessMetrics {
    cpu: Counter,
    open_files: Gauge,
    max_files: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    start: Gauge,
}

impl ProcessMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = Gauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let cpu = Counter::new(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
        )?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            cpu,
            open_files: gauge("process_open_fds", "Number of open file descriptors.")?,
            max_files: gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")?,
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory size in bytes.")?,
            start: gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            )?,
        })
    }

    /// Reads everything anew; what cannot be read keeps its value.
    pub(crate) fn refresh(&self) {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
        // The name of the program is in brackets, and may contain anything.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        if let (Some(user), Some(system)) = (ticks(11), ticks(12)) {
            // Another look at the same moment may have counted more already.
            self.cpu
                .inc_by(((user + system) / TICKS - self.cpu.get()).max(0.0));
        }
        let booted = labelled(&read("/proc/stat"), "btime");
        if let (Some(booted), Some(begun)) = (booted, ticks(19)) {
            self.start.set(booted + begun / TICKS);
        }
        let set = |gauge: &Gauge, value: Option<f64>| value.into_iter().for_each(|value| gauge.set(value));
        let kibibytes = |label: &str| labelled(&status, label).map(|size| size * 1024.0);
        set(&self.virtual_memory, kibibytes("VmSize:"));
        set(&self.resident_memory, kibibytes("VmRSS:"));
        set(
            &self.max_files,
            labelled(&read("/proc/self/limits"), "Max open files"),
        );
        let open = fs::read_dir(Path::new("/proc/self/fd")).map(Iterator::count);
        set(&self.open_files, open.ok().map(|open| open as f64));
    }
}

/// The number after a label at the beginning of a line.
fn labelled(text: &str, label: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_measured() {
        let metrics = ProcessMetrics::register(&Registry::new()).expect("valid names");
        metrics.refresh();
        let resident = metrics.resident_memory.get();
        assert!(
            resident > 1e6 && metrics.virtual_memory.get() > resident,
            "{resident}"
        );
        assert!(metrics.open_files.get() >= 3.0 && metrics.max_files.get() > metrics.open_files.get());
        let begun = metrics.start.get();
        let now = jiff::Timestamp::now().as_second();
        // The kernel tells the moment of the boot in whole seconds.
        assert!(
            (-2.0..3600.0).contains(&(now as f64 - begun)),
            "began at {begun}, now {now}"
        );
    }
}

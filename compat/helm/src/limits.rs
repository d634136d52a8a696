//! The bounds of what a chart may cost.

/// Bounds on loading and rendering a chart; the defaults of what Helm limits too are Helm's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files of a chart archive, unpacked. Default 100 MiB, as in Helm.
    pub chart_bytes: u64,
    /// Bytes of one file of a chart, unpacked. Default 5 MiB, as in Helm.
    pub file_bytes: u64,
    /// Files of a chart, those of its subcharts included. Default 100,000; Helm has no such limit.
    pub files: usize,
    /// Levels of subcharts below the root chart. Default 32; Helm has no such limit.
    pub chart_depth: usize,
    /// Bytes of the JSON schemas that one chart may bring. Default 5 MiB.
    pub schema_bytes: usize,
    /// Subschemas that checking the values of one chart may visit. Default 5 million; Helm has no such limit.
    pub schema_steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chart_bytes: 100 << 20,
            file_bytes: 5 << 20,
            files: 100_000,
            chart_depth: 32,
            schema_bytes: 5 << 20,
            schema_steps: 5_000_000,
        }
    }
}

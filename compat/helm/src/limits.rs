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
    /// Charts that take part in a render, subcharts counted once for each alias of theirs and of the charts above them.
    /// Default 10,000; Helm has no such limit.
    pub instances: usize,
    /// Items of `values.yaml` and `Chart.yaml` of a chart and its subcharts. Default 1 million; Helm has no such limit.
    pub value_items: usize,
    /// Items that a render may make of a chart before its templates run: values laid over each other, dependencies,
    /// templates and files under their full names, 64 bytes of text counting as one. Default 1.5 million; Helm has no such
    /// limit.
    pub items: usize,
    /// Bytes of the JSON schemas of a chart and its subcharts. Default 5 MiB.
    pub schema_bytes: usize,
    /// Steps of checking the values of a chart and its subcharts: each visit of a subschema, and what its keywords compare.
    /// Default 1 million; Helm has no such limit.
    pub schema_steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chart_bytes: 100 << 20,
            file_bytes: 5 << 20,
            files: 100_000,
            chart_depth: 32,
            instances: 10_000,
            value_items: 1_000_000,
            items: 1_500_000,
            schema_bytes: 5 << 20,
            schema_steps: 1_000_000,
        }
    }
}

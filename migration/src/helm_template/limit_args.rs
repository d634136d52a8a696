//! Flags that bound the work of a render.

use clap::Args;

/// Bounds on what a chart may cost.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Bytes of all files of a chart, unpacked.
    #[arg(long = "limit-chart-bytes", default_value_t = helm::Limits::default().chart_bytes)]
    chart_bytes: u64,
    /// Bytes of one file of a chart, unpacked.
    #[arg(long = "limit-chart-file-bytes", default_value_t = helm::Limits::default().file_bytes)]
    chart_file_bytes: u64,
    /// Files of a chart, those of its subcharts included.
    #[arg(long = "limit-chart-files", default_value_t = helm::Limits::default().files)]
    chart_files: usize,
    /// Levels of subcharts.
    #[arg(long = "limit-chart-depth", default_value_t = helm::Limits::default().chart_depth)]
    chart_depth: usize,
    /// Charts that take part, subcharts counted once for each alias.
    #[arg(long = "limit-chart-instances", default_value_t = helm::Limits::default().instances)]
    chart_instances: usize,
    /// Items of the values files and Chart.yaml of a chart and its subcharts.
    #[arg(long = "limit-chart-value-items", default_value_t = helm::Limits::default().value_items)]
    chart_value_items: usize,
    /// Values laid over each other, dependencies, and names of files that a render may make before its templates run.
    #[arg(long = "limit-chart-items", default_value_t = helm::Limits::default().items)]
    chart_items: usize,
    /// Bytes of the JSON schemas of a chart and its subcharts.
    #[arg(long = "limit-schema-bytes", default_value_t = helm::Limits::default().schema_bytes)]
    schema_bytes: usize,
    /// Steps of checking the values of a chart and its subcharts.
    #[arg(long = "limit-schema-steps", default_value_t = helm::Limits::default().schema_steps)]
    schema_steps: u64,
    /// Nodes and loop rounds that the templates may evaluate.
    #[arg(long = "limit-template-steps", default_value_t = gotmpl::Limits::default().steps)]
    template_steps: u64,
    /// Templates that execute templates, one in another.
    #[arg(long = "limit-template-depth", default_value_t = gotmpl::Limits::default().depth)]
    template_depth: usize,
    /// Bytes of one string that a function makes.
    #[arg(long = "limit-string-bytes", default_value_t = gotmpl::Limits::default().string_bytes)]
    string_bytes: usize,
    /// Bytes of all texts, lists and maps that functions make during a render.
    #[arg(long = "limit-value-bytes", default_value_t = gotmpl::Limits::default().value_bytes)]
    value_bytes: u64,
    /// Tokens of all templates, of which each takes up to some 200 bytes.
    #[arg(long = "limit-template-tokens", default_value_t = gotmpl::Limits::default().tokens)]
    template_tokens: usize,
    /// Bytes that the templates may write.
    #[arg(long = "limit-output-bytes", default_value_t = gotmpl::Limits::default().output_bytes)]
    output_bytes: u64,
}

impl LimitArgs {
    /// Gives the bounds on loading a chart and checking its values.
    pub(super) fn chart(&self) -> helm::Limits {
        helm::Limits {
            chart_bytes: self.chart_bytes,
            file_bytes: self.chart_file_bytes,
            files: self.chart_files,
            chart_depth: self.chart_depth,
            instances: self.chart_instances,
            value_items: self.chart_value_items,
            items: self.chart_items,
            schema_bytes: self.schema_bytes,
            schema_steps: self.schema_steps,
        }
    }

    /// Gives the bounds on executing templates.
    pub(super) fn templates(&self) -> gotmpl::Limits {
        gotmpl::Limits {
            steps: self.template_steps,
            depth: self.template_depth,
            string_bytes: self.string_bytes,
            value_bytes: self.value_bytes,
            tokens: self.template_tokens,
            output_bytes: self.output_bytes,
            ..gotmpl::Limits::default()
        }
    }
}

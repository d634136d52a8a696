//! The command line of `openflux helm template`.

use std::sync::Arc;

use gotmpl::TemplateSet;

use crate::csv;
use crate::go_flags::parse_bool;

use super::installation_args::InstallationArgs;
use super::limit_args::LimitArgs;
use super::remote_args::RemoteChartArgs;
use super::{HelmTemplateError, SystemEnvironment, kube_context};

/// Render a chart as `helm template` does, without Helm and without a cluster.
#[derive(Debug, Clone, clap::Args)]
pub struct HelmTemplateArgs {
    /// The release name, which may be left out, and the chart: a folder, an archive, or where it lives (https://, oci://,
    /// REPOSITORY/CHART, or its name in --repo).
    #[arg(value_name = "[NAME] CHART")]
    pub name_and_chart: Vec<String>,
    /// Values from a YAML file; `-` is the standard input. Later files win.
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    pub values: Vec<String>,
    /// Set values: key1=val1,key2=val2.
    #[arg(long, value_name = "PAIRS")]
    pub set: Vec<String>,
    /// Set values that stay text.
    #[arg(long, value_name = "PAIRS")]
    pub set_string: Vec<String>,
    /// Set values to the content of files.
    #[arg(long, value_name = "PAIRS")]
    pub set_file: Vec<String>,
    /// Set values to JSON: key1=json1,key2=json2, or a whole JSON object.
    #[arg(long, value_name = "PAIRS")]
    pub set_json: Vec<String>,
    /// Set a value to literal text.
    #[arg(long, value_name = "PAIR")]
    pub set_literal: Vec<String>,
    /// The namespace of the release.
    #[arg(short, long, env = "HELM_NAMESPACE")]
    pub namespace: Option<String>,
    /// The kubeconfig whose current context names the default namespace; no cluster is asked for anything.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<String>,
    /// The context to take instead of the current one.
    #[arg(long, value_name = "CONTEXT", env = "HELM_KUBECONTEXT")]
    pub kube_context: Option<String>,
    /// The version of Kubernetes that the chart is told.
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// API versions that the chart is told of, besides those that Helm knows.
    #[arg(short, long, value_name = "LIST")]
    pub api_versions: Vec<String>,
    /// Print the files of crds/ too.
    #[arg(long)]
    pub include_crds: bool,
    /// Accepted as Helm does; CRDs are printed only with --include-crds.
    #[arg(long)]
    pub skip_crds: bool,
    /// Leave out test hooks.
    #[arg(long)]
    pub skip_tests: bool,
    /// Leave out all hooks.
    #[arg(long)]
    pub no_hooks: bool,
    /// Print only what these templates render to; shell patterns are fine.
    #[arg(short, long, value_name = "TEMPLATE")]
    pub show_only: Vec<String>,
    /// Tell the chart that the release is there already.
    #[arg(long)]
    pub is_upgrade: bool,
    /// Write a file per template below this folder.
    #[arg(long, value_name = "FOLDER")]
    pub output_dir: Option<String>,
    /// Put the release name between the folder of --output-dir and the files.
    #[arg(long = "release-name")]
    pub use_release_name: bool,
    /// Do not check values against values.schema.json.
    #[arg(long)]
    pub skip_schema_validation: bool,
    /// Print what was rendered even if it is not valid YAML.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = parse_bool)]
    pub debug: Option<bool>,
    /// Refused: it needs a cluster.
    #[arg(long)]
    pub validate: bool,
    /// Only `client` is supported.
    #[arg(long, value_name = "STRATEGY", num_args = 0..=1, require_equals = true, default_missing_value = "unset")]
    pub dry_run: Option<String>,
    /// Make up a release name.
    #[arg(short, long)]
    pub generate_name: bool,
    /// Make the release name by a template.
    #[arg(long, value_name = "TEMPLATE")]
    pub name_template: Option<String>,
    /// Follow links that lead out of the chart's folder and of the git work tree around it, as Helm does.
    #[arg(long)]
    pub allow_outside_links: bool,
    /// How much work a chart may make.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Where the chart lives, if it is not on disk.
    #[command(flatten)]
    pub remote: RemoteChartArgs,
    /// What only matters elsewhere.
    #[command(flatten)]
    pub installation: InstallationArgs,
}

impl HelmTemplateArgs {
    /// Refuses what needs a cluster, instead of rendering something else than was asked for.
    pub(super) fn refuse_unsupported(&self) -> Result<(), HelmTemplateError> {
        let refuse = |message: &str| Err(HelmTemplateError::Arguments(message.to_owned()));
        if self.validate {
            return refuse("--validate is not supported: openflux renders without a cluster");
        }
        self.installation.refuse_unsupported()?;
        match self.dry_run.as_deref() {
            None | Some("client" | "unset" | "true") => Ok(()),
            Some("server" | "none" | "false") => {
                refuse("--dry-run is only supported as --dry-run=client: openflux renders without a cluster")
            }
            Some(other) => refuse(&format!(
                "invalid dry-run value ({}). Must be \"none\", \"server\", or \"client\"",
                go_std::quote(other.as_bytes())
            )),
        }
    }

    /// The release name and the chart, by Helm's rules for leaving the name out.
    pub(super) fn name_and_chart(&self) -> Result<(String, &str), HelmTemplateError> {
        let error = |message: String| Err(HelmTemplateError::Arguments(message));
        match self.name_and_chart.as_slice() {
            [] => error(
                "\"helm template\" requires at least 1 argument\n\nUsage:  helm template [NAME] [CHART] [flags]".to_owned(),
            ),
            [chart] => match self.name_template.as_deref().filter(|text| !text.is_empty()) {
                Some(template) => Ok((name_of(template)?, chart)),
                None => Ok(("release-name".to_owned(), chart)),
            },
            [_, _] if self.generate_name => error("cannot set --generate-name and also specify a name".to_owned()),
            [_, _] if self.name_template.as_deref().is_some_and(|text| !text.is_empty()) => {
                error("cannot set --name-template and also specify a name".to_owned())
            }
            [name, chart] => Ok((name.clone(), chart)),
            [_, _, rest @ ..] => {
                error(format!("expected at most two arguments, unexpected arguments: {}", rest.join(", ")))
            }
        }
    }

    pub(super) fn namespace(&self) -> String {
        self.namespace
            .clone()
            .filter(|namespace| !namespace.is_empty())
            .or_else(|| {
                let mut overrides = self.installation.overrides();
                overrides.kubeconfig = self.kubeconfig.as_deref();
                overrides.context = self.kube_context.as_deref();
                kube_context::namespace(&overrides)
            })
            .unwrap_or_else(|| "default".to_owned())
    }

    /// Whether to show what was rendered even if it is malformed: by the flag, else by `HELM_DEBUG`.
    pub(super) fn debug(&self) -> bool {
        let by_variable = || std::env::var("HELM_DEBUG").is_ok_and(|text| parse_bool(&text) == Ok(true));
        self.debug.unwrap_or_else(by_variable)
    }

    /// The files of `-f`, in their order.
    pub(super) fn value_files(&self) -> Result<Vec<String>, HelmTemplateError> {
        string_slice("-f, --values", &self.values)
    }

    /// The API versions of `-a`.
    pub(super) fn api_versions(&self) -> Result<Vec<String>, HelmTemplateError> {
        string_slice("-a, --api-versions", &self.api_versions)
    }
}

/// The items of a list flag, as pflag's `StringSlice` reads them: each value is a line of CSV.
fn string_slice(flag: &str, values: &[String]) -> Result<Vec<String>, HelmTemplateError> {
    let mut items = Vec::new();
    for value in values {
        items.extend(csv::items(value).map_err(|error| {
            let value = go_std::quote(value.as_bytes());
            HelmTemplateError::Arguments(format!("invalid argument {value} for \"{flag}\" flag: {error}"))
        })?);
    }
    Ok(items)
}

/// Executes the template of `--name-template`.
fn name_of(template: &str) -> Result<String, HelmTemplateError> {
    let error = |error: &dyn std::fmt::Display| HelmTemplateError::Arguments(error.to_string());
    let mut set = TemplateSet::new(
        Arc::new(sprig::functions(Arc::new(SystemEnvironment))),
        gotmpl::Options {
            name: "name-template".to_owned(),
            ..gotmpl::Options::default()
        },
    );
    set.parse("name-template", template).map_err(|e| error(&e))?;
    let mut name = Vec::new();
    set.execute(
        "name-template",
        gotmpl::Value::Nil,
        &gotmpl::Env::default(),
        &mut name,
    )
    .map_err(|e| error(&e))?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

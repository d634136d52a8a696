//! `openflux helm template`: render a chart as `helm template` does, without Helm.

mod args;
mod chart_source;
mod environment;
mod installation_args;
mod kube_context;
mod limit_args;
mod output;
mod remote_args;
mod show_only;
mod user_values;
mod verify;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use helm::{Capabilities, KubeVersion, Release, RenderError, RenderOptions, Rendered, Renderer};
use helm_remote::{FetchError, Fetched, VerifyFetchedError};

pub use args::HelmTemplateArgs;
pub use chart_source::{ChartSourceError, load_chart};
pub(crate) use chart_source::{load_archive, read_folder};
pub use environment::SystemEnvironment;
pub(crate) use remote_args::AccessArgs;
pub use user_values::UserValuesError;
pub use verify::VerifyChartError;

/// Why `openflux helm template` failed; the first line is Helm's.
#[derive(Debug, thiserror::Error)]
pub enum HelmTemplateError {
    /// An argument is missing, superfluous or malformed.
    #[error("{0}")]
    Arguments(String),
    /// The chart cannot be found or loaded.
    #[error(transparent)]
    Chart(#[from] ChartSourceError),
    /// The chart cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The chart that was fetched is not the one that was signed.
    #[error(transparent)]
    VerifyFetched(#[from] VerifyFetchedError),
    /// The chart on disk is not the one that was signed.
    #[error(transparent)]
    Verify(#[from] VerifyChartError),
    /// The values that the user gives cannot be read.
    #[error(transparent)]
    Values(#[from] UserValuesError),
    /// The chart is of a kind that cannot be installed.
    #[error("{0} charts are not installable")]
    NotInstallable(String),
    /// Subcharts are missing.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {0}"
    )]
    MissingDependencies(String),
    /// The release name breaks Helm's rules.
    #[error("release name check failed: release name {0}")]
    ReleaseName(String),
    /// The chart cannot be rendered.
    #[error("{error}{}", if error.is_while_rendering() && !debug { "\n\nUse --debug flag to render out invalid YAML" } else { "" })]
    Render {
        /// Why.
        error: Box<RenderError>,
        /// Whether all that was rendered is shown already.
        debug: bool,
    },
    /// A template of `--show-only` is not there.
    #[error("could not find template {0} in chart")]
    NoSuchTemplate(String),
    /// The output cannot be written.
    #[error("{0}")]
    Output(#[from] io::Error),
}

/// Renders a chart to `out`; warnings go to `warnings`.
pub fn helm_template(
    args: &HelmTemplateArgs,
    out: &mut dyn Write,
    warnings: &mut dyn Write,
) -> Result<(), HelmTemplateError> {
    let (value_files, api_versions) = (args.value_files()?, args.api_versions()?);
    args.refuse_unsupported()?;
    let kube_version = args.kube_version.as_deref().map(parse_kube_version).transpose()?;
    let (name, chart_path) = args.name_and_chart()?;
    let limits = args.limits.chart();
    let on_disk = if args.remote.is_in_a_repository() {
        None
    } else {
        chart_source::locate(chart_path)?
    };
    let (verified, fetched) = match &on_disk {
        Some(path) if args.remote.verify => (
            Some(verify::verify_on_disk(path, &args.remote.ring(), &limits)?),
            None,
        ),
        Some(_) => (None, None),
        None => (None, Some(fetch(args, chart_path.trim())?)),
    };
    if let Some(fetched) = &fetched {
        for warning in &fetched.warnings {
            writeln!(warnings, "level=WARN msg={warning:?}")?;
        }
        for note in &fetched.notes {
            writeln!(warnings, "{note}")?;
        }
        if args.remote.verify {
            fetched.verify(&args.remote.ring())?;
        } else {
            fetched.check_digest()?;
        }
    }
    let values = user_values::read(value_files, args)?;
    let (chart, left_out) = match (&on_disk, verified, fetched) {
        (Some(path), Some(archive), _) => (chart_source::archive_at(path, &archive, &limits)?, Vec::new()),
        (Some(path), None, _) => load_chart(path, args.allow_outside_links, &limits)?,
        (None, _, fetched) => {
            let archive = fetched.map(|fetched| fetched.archive).unwrap_or_default();
            (chart_source::read_archive(&archive, &limits)?, Vec::new())
        }
    };
    for warning in left_out {
        writeln!(warnings, "level=WARN msg={warning:?}")?;
    }
    let metadata = chart.metadata();
    if !matches!(metadata.chart_type.as_str(), "" | "application") {
        return Err(HelmTemplateError::NotInstallable(metadata.chart_type.clone()));
    }
    if metadata.deprecated {
        writeln!(warnings, "level=WARN msg=\"this chart is deprecated\"")?;
    }
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        return Err(HelmTemplateError::MissingDependencies(missing.join(", ")));
    }
    helm::validate_release_name(&name).map_err(HelmTemplateError::ReleaseName)?;

    let mut capabilities = Capabilities::default();
    if let Some(kube_version) = kube_version {
        capabilities.kube_version = kube_version;
    }
    capabilities.api_versions.extend(api_versions);
    let release = Release {
        name: name.clone(),
        namespace: args.namespace(),
        revision: 1,
        is_upgrade: args.is_upgrade,
    };
    let mut options = RenderOptions::new(release);
    options.capabilities = capabilities;
    options.skip_schema_validation = args.skip_schema_validation;
    options.limits = args.limits.chart();
    options.template_limits = args.limits.templates();

    let renderer = Renderer::new(Arc::new(SystemEnvironment));
    match renderer.render(&chart, &values, &options) {
        Ok(rendered) => {
            for warning in &rendered.warnings {
                writeln!(warnings, "level=WARN msg={warning:?}")?;
            }
            emit(args, &name, &rendered, out)
        }
        Err(error) => {
            if let (true, RenderError::Manifest { files, .. }) = (args.debug(), &error) {
                output::write_unsorted(files, out)?;
            }
            Err(HelmTemplateError::Render {
                error: Box::new(error),
                debug: args.debug(),
            })
        }
    }
}

/// Fetches a chart that is not on disk.
fn fetch(args: &HelmTemplateArgs, chart: &str) -> Result<Fetched, FetchError> {
    let remote = &args.remote;
    let limits = helm_remote::Limits {
        chart_bytes: args.limits.chart().chart_bytes,
        ..helm_remote::Limits::default()
    };
    helm_remote::fetch(&remote.wanted(chart), &remote.access(), &remote.files(), &limits)
}

fn emit(
    args: &HelmTemplateArgs,
    name: &str,
    rendered: &Rendered,
    out: &mut dyn Write,
) -> Result<(), HelmTemplateError> {
    if let Some(folder) = &args.output_dir {
        let folder = if args.use_release_name {
            Path::new(folder).join(name)
        } else {
            folder.into()
        };
        let crds = Path::new(args.output_dir.as_deref().unwrap_or_default());
        return Ok(output::write_files(&folder, crds, args, rendered, out)?);
    }
    if args.show_only.is_empty() {
        return Ok(rendered.write_stream(output::shown(args), out)?);
    }
    let mut stream = Vec::new();
    rendered.write_stream(output::shown(args), &mut stream)?;
    let stream = String::from_utf8_lossy(&stream);
    for document in show_only::select(&stream, &args.show_only)? {
        write!(out, "---\n{document}\n")?;
    }
    Ok(())
}

fn parse_kube_version(text: &str) -> Result<KubeVersion, HelmTemplateError> {
    KubeVersion::parse(text)
        .map_err(|error| HelmTemplateError::Arguments(format!("invalid kube version '{text}': {error}")))
}

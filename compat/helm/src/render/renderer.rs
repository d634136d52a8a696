//! From a chart and values to what Helm would install.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gotmpl::{Context, Func, FuncError, FuncMap, Map, Value};
use sprig::Environment;

use crate::manifest::post_render::{self, PostRenderError, PostRenderStrategy, PostRenderer};
use crate::manifest::{Hook, Manifest, ManifestError, sort_manifests};
use crate::prepare::coalesce::{self, CoalesceError, Nulls};
use crate::prepare::instance::{Instance, in_range};
use crate::prepare::validate::{self, SchemaError};
use crate::prepare::work::{Exceeded, Preparation};
use crate::render::capabilities::Capabilities;
use crate::render::functions::{self, RenderState};
use crate::render::release::Release;
use crate::render::template_error::TemplateError;
use crate::render::templates::{self, Placed, Scope};
use crate::{Cancelled, Chart, File, Limits, Lookup, Metadata, NoCluster};
use go_std::path;

/// Helm's template functions over a given source of time, chance and name resolution; make one per process.
#[derive(Clone)]
pub struct Renderer {
    funcs: Arc<FuncMap>,
}

/// How to render a chart.
pub struct RenderOptions {
    /// The release.
    pub release: Release,
    /// What the cluster can do.
    pub capabilities: Capabilities,
    /// Where `lookup` finds live objects.
    pub lookup: Arc<dyn Lookup>,
    /// Whether values need not match the charts' schemas.
    pub skip_schema_validation: bool,
    /// Whether the notes of subcharts are kept beside those of the chart.
    pub subchart_notes: bool,
    /// Changes the manifests before they are sorted.
    pub post_renderer: Option<Arc<dyn PostRenderer>>,
    /// Which documents the post-renderer gets.
    pub post_render_strategy: PostRenderStrategy,
    /// Bounds on the chart.
    pub limits: Limits,
    /// Bounds on its templates.
    pub template_limits: gotmpl::Limits,
    /// Ends the templates early.
    pub cancelled: Option<Cancelled>,
}

impl RenderOptions {
    /// The options of `helm template` without flags.
    pub fn new(release: Release) -> Self {
        Self {
            release,
            capabilities: Capabilities::default(),
            lookup: Arc::new(NoCluster),
            skip_schema_validation: false,
            subchart_notes: false,
            post_renderer: None,
            post_render_strategy: PostRenderStrategy::default(),
            limits: Limits::default(),
            template_limits: gotmpl::Limits::default(),
            cancelled: None,
        }
    }
}

impl fmt::Debug for RenderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderOptions")
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

/// What a chart renders to.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects, in install order.
    pub manifests: Vec<Manifest>,
    /// The hooks, in install order of their kinds.
    pub hooks: Vec<Hook>,
    /// The text for the user, from `templates/NOTES.txt`.
    pub notes: String,
    /// The files of `crds/`, the chart's own first, by their full paths; Helm does not render them.
    pub crds: Vec<File>,
    /// The chart as the release's record keeps it, with the dependencies that take part.
    pub chart: Option<crate::release::Chart>,
    /// What Helm would warn of.
    pub warnings: Vec<String>,
}

impl Rendered {
    /// The objects as one stream of YAML, as the release's record keeps them.
    pub fn manifest(&self) -> String {
        let mut parts = Vec::with_capacity(5 * self.manifests.len());
        for Manifest { path, content, .. } in &self.manifests {
            parts.extend(["---\n# Source: ", path, "\n", content, "\n"]);
        }
        parts.concat()
    }
}

/// A chart that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The dependencies cannot be processed for these values.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(#[source] CoalesceError),
    /// The values do not fit the chart.
    #[error(transparent)]
    Values(#[from] CoalesceError),
    /// The values break a schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The chart is not made for this version of Kubernetes.
    #[error("chart requires kubeVersion: {constraint} which is incompatible with Kubernetes {version}")]
    KubeVersion {
        /// The versions that the chart is made for.
        constraint: String,
        /// The version of the cluster.
        version: String,
    },
    /// A template is at fault, or used up a limit.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The post-renderer gave no result.
    #[error(transparent)]
    PostRender(#[from] PostRenderError),
    /// A template renders to something that is not a Kubernetes object.
    #[error("{error}")]
    Manifest {
        /// What is wrong, and where.
        error: ManifestError,
        /// All rendered files, for the user to look at.
        files: BTreeMap<String, Vec<u8>>,
    },
}

impl RenderError {
    /// Whether it came up while rendering, rather than before; `helm template` then hints at `--debug`.
    pub fn is_while_rendering(&self) -> bool {
        match self {
            Self::Dependencies(_) | Self::Values(_) | Self::Schema(_) => false,
            Self::KubeVersion { .. } | Self::Template(_) | Self::PostRender(_) | Self::Manifest { .. } => {
                true
            }
        }
    }
}

impl Renderer {
    /// Makes a renderer.
    pub fn new(environment: Arc<dyn Environment>) -> Self {
        Self {
            funcs: Arc::new(functions::func_map(environment)),
        }
    }

    /// The same functions, some of which refuse to be called: the failure names the function and says `why`.
    #[must_use]
    pub fn refusing(&self, names: &[&'static str], why: &str) -> Self {
        let mut funcs = (*self.funcs).clone();
        for name in names.iter().copied() {
            let Some(func) = funcs.get(name) else { continue };
            let refused = format!("{name} is refused: {why}");
            let refusing = move |_: &mut Context<'_>, _: &[Value]| Err(FuncError::new(refused.as_str()));
            funcs.insert(name, Func::with_signature(func.signature().clone(), refusing));
        }
        Self {
            funcs: Arc::new(funcs),
        }
    }

    /// Renders a chart with a user's values.
    ///
    /// It is a pure function of its arguments and the environment; the chart only remembers its parsed templates.
    pub fn render(
        &self,
        chart: &Chart,
        values: &Map,
        options: &RenderOptions,
    ) -> Result<Rendered, RenderError> {
        // Values nest deeper than the stack of a small thread has room for.
        let Prepared {
            templates,
            crds,
            recorded,
            mut warnings,
        } = stacker::grow(PREPARATION_STACK, || prepare(chart, values, options))?;
        let state = RenderState::new(Arc::clone(&options.lookup), options.cancelled.clone());
        let mut files = templates::render(chart, templates, &self.funcs, &state, options.template_limits)?;
        let notes = take_notes(chart.name(), &mut files, options.subchart_notes);
        if let Some(renderer) = &options.post_renderer {
            files = post_render::run(&files, &**renderer, options.post_render_strategy)?;
        }
        let sorted = match sort_manifests(&files) {
            Ok(sorted) => sorted,
            Err(error) => return Err(RenderError::Manifest { error, files }),
        };
        for (file, hook) in sorted.dropped {
            warnings.push(format!("skipping unknown hooks {hook} of {file}"));
        }
        Ok(Rendered {
            manifests: sorted.manifests,
            hooks: sorted.hooks,
            notes,
            crds,
            chart: Some(recorded),
            warnings,
        })
    }
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").finish_non_exhaustive()
    }
}

/// The stack in which values are merged and checked, which takes less than a tenth of it for each hundred levels.
const PREPARATION_STACK: usize = 16 << 20;

/// What is known of a render before its templates run.
struct Prepared {
    templates: Vec<Placed>,
    crds: Vec<File>,
    recorded: crate::release::Chart,
    warnings: Vec<String>,
}

fn prepare(chart: &Chart, values: &Map, options: &RenderOptions) -> Result<Prepared, RenderError> {
    let mut work = Preparation::new(options.limits, chart.warnings().to_vec());
    let root = Instance::new(chart, values, &mut work).map_err(RenderError::Dependencies)?;
    let values = coalesce::coalesce(&root, values, Nulls::Remove, &mut work)?;
    if !options.skip_schema_validation {
        validate::check(&root, &values, &options.limits)?;
    }
    check_kube_version(&root, &options.capabilities)?;
    let scope = Scope {
        release: &options.release,
        capabilities: &options.capabilities,
        values,
    };
    let placed = |work: &mut Preparation| {
        Ok::<_, Exceeded>((templates::place(&root, &scope, work)?, crds(&root, work)?))
    };
    let (templates, crds) = placed(&mut work)
        .map_err(|exceeded| CoalesceError::limit(&root.name, "the files of all subcharts", exceeded))?;
    Ok(Prepared {
        templates,
        crds,
        recorded: recorded(&root),
        warnings: work.into_warnings(),
    })
}

/// The chart with what became of its dependencies, without copies of what is in it.
fn recorded(root: &Instance) -> crate::release::Chart {
    let metadata = Metadata {
        dependencies: root.dependencies.clone(),
        ..root.chart.metadata().clone()
    };
    let has_values = root.chart.has_values() || root.dependencies.is_some();
    crate::release::Chart::packed(&root.chart, metadata, has_values.then(|| root.values.clone()))
}

fn check_kube_version(root: &Instance, capabilities: &Capabilities) -> Result<(), RenderError> {
    let constraint = &root.chart.metadata().kube_version;
    let version = &capabilities.kube_version;
    if constraint.is_empty() || in_range(constraint, version.comparable()) {
        return Ok(());
    }
    Err(RenderError::KubeVersion {
        constraint: constraint.clone(),
        version: version.version.clone(),
    })
}

/// Takes the notes of all charts out of the files; returns those of the root, or of all.
fn take_notes(root: &str, files: &mut BTreeMap<String, Vec<u8>>, of_all: bool) -> String {
    let own = path::join(root, "templates/NOTES.txt");
    let mut notes: Vec<String> = Vec::new();
    files.retain(|name, content| {
        let is_notes = name.ends_with("NOTES.txt");
        if is_notes && (of_all || *name == own) {
            notes.push(String::from_utf8_lossy(content).into_owned());
        }
        !is_notes
    });
    notes.join("\n")
}

/// The files of `crds/` of a chart and then of its subcharts, by their full paths.
fn crds(root: &Instance, work: &mut Preparation) -> Result<Vec<File>, Exceeded> {
    fn collect(
        chart: &Instance,
        full_path: &str,
        work: &mut Preparation,
        crds: &mut Vec<File>,
    ) -> Result<(), Exceeded> {
        for file in chart.chart.files() {
            work.items(1)?;
            if file.is_crd() {
                work.text(full_path.len() + file.name.len())?;
                crds.push(File {
                    name: path::join(full_path, &file.name),
                    content: file.content.clone(),
                    modified: file.modified,
                });
            }
        }
        for subchart in &chart.subcharts {
            work.text(full_path.len() + subchart.name.len())?;
            let full_path = format!("{full_path}/charts/{}", subchart.name);
            collect(subchart, &full_path, work, crds)?;
        }
        Ok(())
    }
    let mut crds = Vec::new();
    collect(root, &root.name, work, &mut crds)?;
    Ok(crds)
}

/// The files of `crds/` of a chart and of those subcharts that take part with a user's values, by their full paths.
pub fn crds_for(chart: &Chart, values: &Map, limits: Limits) -> Result<Vec<File>, CoalesceError> {
    stacker::grow(PREPARATION_STACK, || {
        let mut work = Preparation::new(limits, Vec::new());
        let root = Instance::new(chart, values, &mut work)?;
        crds(&root, &mut work)
            .map_err(|exceeded| CoalesceError::limit(&root.name, "the files of all subcharts", exceeded))
    })
}

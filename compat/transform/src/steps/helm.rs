//! Rendering a chart among the files of an output, with nothing from outside of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use helm::{
    Capabilities, KubeVersion, Release, RenderOptions, Rendered, Renderer, Shown, validate_release_name,
    values,
};
use jiff::Timestamp;
use sprig::{CHANCE, CLOCK, Environment};

use super::loaded::{chart_at, finish};
use crate::error::Problem;
use crate::path::{own, own_file};
use crate::spec::{Helm, Hooks};
use crate::stage::Stage;

/// Why nothing is drawn by lot.
const NO_CHANCE: &str = "the result would be another one each time";
/// Why nobody is told what time it is.
const NO_CLOCK: &str =
    "the result would be another one each time; set `now` to the time that templates are to see";
/// Why no name is looked up.
const NO_NETWORK: &str = "a transformation has no network";

pub(super) fn render(stage: &mut Stage<'_>, step: &Helm) -> Result<(), Problem> {
    check(step)?;
    let (path, to) = (own("path", &step.path)?, own_file("to", &step.to)?);
    let chart = chart_at(stage, &path)?;
    let metadata = chart.metadata();
    if !matches!(metadata.chart_type.as_str(), "" | "application") {
        let problem = format!(
            "chart {path:?}: {} charts are not installable",
            metadata.chart_type
        );
        return Err(Problem::Build(problem));
    }
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        return Err(Problem::Build(format!(
            "chart {path:?}: its dependencies {} are not in charts/, and nothing is fetched; put them there",
            missing.join(", ")
        )));
    }
    let mut all = gotmpl::Map::new();
    for name in &step.values_files {
        let content = stage.required_text("valuesFiles", name)?;
        let values = values::read(&content).map_err(|error| Problem::file(name, error))?;
        all = values::merge(&all, &values);
    }
    if let Some(gotmpl::Value::Map(own)) = step.values.as_ref().map(values::from_json) {
        all = values::merge(&all, &own);
    }
    let mut options = RenderOptions::new(Release {
        name: step.release_name.clone(),
        namespace: step.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        revision: 1,
        is_upgrade: false,
    });
    options.capabilities = capabilities(step)?;
    options.cancelled = stage.work.cancelled().map(|flag| {
        let flag = Arc::clone(flag);
        Arc::new(move || flag.load(Ordering::Relaxed)) as helm::Cancelled
    });
    let closed = Arc::new(Closed::new(now(step)?));
    let rendered = renderer(&closed).render(&chart, &all, &options);
    if let Some(asked) = closed.was_asked() {
        return Err(Problem::Build(format!("chart {path:?}: {asked}")));
    }
    let rendered = rendered.map_err(|error| Problem::Render {
        path: path.clone(),
        error: Box::new(error),
    })?;
    let text = stream(&rendered, step).map_err(|error| Problem::file(&path, error))?;
    for warning in &rendered.warnings {
        stage.warnings.push(format!("chart {path:?}: {warning}"));
    }
    let shown: Vec<_> = rendered
        .shown_hooks(shown(step))
        .map(|hook| format!("{}/{}", hook.kind, hook.name))
        .collect();
    if !shown.is_empty() {
        let shown = shown.join(", ");
        stage.warnings.push(format!(
            "hooks of chart {path:?} are objects like others: {shown}"
        ));
    }
    finish(stage, &to, text, step.keep)
}

/// Checks what can be checked without files.
pub(super) fn check(step: &Helm) -> Result<(), Problem> {
    own("path", &step.path)?;
    own_file("to", &step.to)?;
    validate_release_name(&step.release_name).map_err(|why| Problem::invalid("releaseName", why))?;
    if step.values.as_ref().is_some_and(|values| !values.is_object()) {
        return Err(Problem::invalid("values", "they have to be a table"));
    }
    now(step)?;
    capabilities(step).map(|_| ())
}

fn now(step: &Helm) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = &step.now else { return Ok(None) };
    let now = text.parse().map_err(|_| {
        Problem::invalid(
            "now",
            format!("{text:?} has to be a time such as 2026-01-31T12:00:00Z"),
        )
    })?;
    Ok(Some(now))
}

fn capabilities(step: &Helm) -> Result<Capabilities, Problem> {
    let mut capabilities = Capabilities::default();
    if let Some(text) = &step.kube_version {
        capabilities.kube_version =
            KubeVersion::parse(text).map_err(|error| Problem::invalid("kubeVersion", error.to_string()))?;
    }
    capabilities
        .api_versions
        .extend(step.api_versions.iter().cloned());
    Ok(capabilities)
}

fn shown(step: &Helm) -> Shown {
    Shown {
        crds: step.include_crds,
        hooks: step.hooks == Hooks::Keep,
        tests: !step.skip_tests,
    }
}

fn stream(rendered: &Rendered, step: &Helm) -> Result<String, std::io::Error> {
    let mut text = Vec::new();
    rendered.write_stream(shown(step), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn renderer(closed: &Arc<Closed>) -> Renderer {
    let environment: Arc<dyn Environment> = Arc::clone(closed) as Arc<dyn Environment>;
    let renderer = Renderer::new(environment)
        .refusing(&CHANCE, NO_CHANCE)
        .refusing(&["getHostByName"], NO_NETWORK);
    match closed.now {
        Some(_) => renderer,
        None => renderer.refusing(&CLOCK, NO_CLOCK),
    }
}

/// Nothing but the files: no chance, and no time but one that is given. It notes whoever asks nevertheless.
struct Closed {
    now: Option<Timestamp>,
    asked_for_time: AtomicBool,
    asked_for_chance: AtomicBool,
}

impl Closed {
    fn new(now: Option<Timestamp>) -> Self {
        Self {
            now,
            asked_for_time: AtomicBool::new(false),
            asked_for_chance: AtomicBool::new(false),
        }
    }

    fn was_asked(&self) -> Option<String> {
        if self.asked_for_chance.load(Ordering::Relaxed) {
            return Some(format!("a template draws random values, and {NO_CHANCE}"));
        }
        let time = self.asked_for_time.load(Ordering::Relaxed);
        time.then(|| {
            format!("a template formats something that is no date, which means the time now, and {NO_CLOCK}")
        })
    }
}

impl Environment for Closed {
    fn now(&self) -> Timestamp {
        if self.now.is_none() {
            self.asked_for_time.store(true, Ordering::Relaxed);
        }
        self.now.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.asked_for_chance.store(true, Ordering::Relaxed);
        // Whoever draws until something fits has to get something that does: the same each time, but not all zeros.
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (at as u8).wrapping_mul(167).wrapping_add(13);
        }
    }
}

//! Rendering the templates of a chart and its subcharts.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::{FuncMap, List, Map, MissingKey, NamedType, Options, Spent, Str, TemplateSet, Type, Value};

use crate::chart::files::Files;
use crate::chart::metadata::Dependency;
use crate::chart::template_cache::Key;
use crate::prepare::instance::{Instance, table_at};
use crate::prepare::work::{Exceeded, Preparation};
use crate::render::capabilities;
use crate::render::functions::{self, RenderState};
use crate::render::no_value::strip_no_value_in_place;
use crate::render::release::Release;
use crate::render::template_error::TemplateError;
use crate::values::{from_json, insert};
use crate::{Chart, Template};
use go_std::path;

/// The type of `.` and `.Values`; its methods take precedence over keys of the same name.
static VALUES: NamedType =
    NamedType::with_methods("common.Values", Type::MAP, crate::render::values_methods::find);

/// How many items what templates see of a chart counts, apart from its metadata and values.
const SCOPE_ITEMS: usize = 64;

/// Everything that templates see besides the chart.
pub(crate) struct Scope<'s> {
    pub(crate) release: &'s Release,
    pub(crate) capabilities: &'s capabilities::Capabilities,
    pub(crate) values: Map,
}

/// Places the templates of all charts, in the order in which Helm parses and executes them.
pub(crate) fn place(
    root: &Instance,
    scope: &Scope<'_>,
    work: &mut Preparation,
) -> Result<Vec<Placed>, Exceeded> {
    let top: Map = [
        ("Release", release_value(scope.release)),
        ("Capabilities", capabilities::object(scope.capabilities)),
        (
            "Values",
            Value::from(scope.values.with_type(Type::Named(&VALUES))),
        ),
    ]
    .into_iter()
    .collect();
    let mut collector = Collector {
        by_name: BTreeMap::new(),
        work,
    };
    collector.add(root, &top, None)?;
    Ok(collector.sorted())
}

/// Renders templates of a chart; the result maps their full names to their output.
pub(crate) fn render(
    chart: &Chart,
    templates: Vec<Placed>,
    funcs: &Arc<FuncMap>,
    state: &RenderState,
    limits: gotmpl::Limits,
) -> Result<BTreeMap<String, Vec<u8>>, TemplateError> {
    let key = Key {
        funcs: Arc::clone(funcs),
        limits,
        templates: templates
            .iter()
            .map(|template| (template.name.clone(), Arc::clone(&template.text)))
            .collect(),
    };
    let set = chart.parsed().get(&key, parse)?;

    // The limits are those of the whole render.
    let spent = Spent::default();
    let env = functions::env(state, limits, &spent);
    // One guard around all executions collects self-owning maps once.
    let _cycles = gotmpl::CycleGuard::new();
    let mut rendered = BTreeMap::new();
    for template in templates {
        if path::base(&template.name).starts_with('_') {
            continue;
        }
        let position: Map = [
            ("Name", template.name.as_str()),
            ("BasePath", &template.base_path),
        ]
        .into_iter()
        .collect();
        insert(
            &template.scope,
            "Template",
            position.with_type(Type::Named(&VALUES)).into(),
        );
        let dot = template.scope.with_type(Type::Named(&VALUES));
        let mut out = Vec::new();
        if let Err(error) = set.execute(&template.name, dot.into(), &env, &mut out) {
            check_files(chart)?;
            return Err(TemplateError::execution(&error));
        }
        strip_no_value_in_place(&mut out);
        rendered.insert(template.name, out);
    }
    check_files(chart)?;
    Ok(rendered)
}

/// Fails if a template asked for a file that cannot be read.
fn check_files(chart: &Chart) -> Result<(), TemplateError> {
    if let Some((file, error)) = Files::failure(chart.files()) {
        return Err(TemplateError::file(file, error));
    }
    chart.subcharts().iter().try_for_each(check_files)
}

fn parse(key: &Key) -> Result<TemplateSet, TemplateError> {
    let options = Options {
        name: "gotpl".to_owned(),
        missing_key: MissingKey::Zero,
        limits: key.limits,
        ..Options::default()
    };
    let mut set = TemplateSet::new(Arc::clone(&key.funcs), options);
    for (name, text) in &key.templates {
        set.parse(name, Arc::clone(text))
            .map_err(|error| TemplateError::parse(name, &error))?;
    }
    Ok(set)
}

/// A template under its full name.
pub(crate) struct Placed {
    name: String,
    text: Arc<[u8]>,
    base_path: String,
    scope: Map,
}

/// Gathers the templates of all charts with the scope that each sees.
struct Collector<'w> {
    by_name: BTreeMap<String, Placed>,
    work: &'w mut Preparation,
}

impl Collector<'_> {
    /// Adds a chart and its subcharts; returns the chart's scope.
    fn add(&mut self, chart: &Instance, parent: &Map, parent_path: Option<&str>) -> Result<Map, Exceeded> {
        let name = &chart.name;
        let metadata = chart.chart.metadata();
        self.work.items(SCOPE_ITEMS + metadata.items())?;
        self.work
            .text(parent_path.unwrap_or_default().len() + 3 * name.len())?;
        let values = if parent_path.is_none() {
            parent.get("Values").unwrap_or_default()
        } else {
            let table = table_at(parent, &format!("Values.{name}")).unwrap_or_default();
            Value::from(table.with_type(Type::Named(&VALUES)))
        };
        let subcharts = Map::new();
        let scope: Map = [
            ("Chart", chart_value(chart, parent_path.is_none())),
            ("Files", Value::object(chart.chart.files_in_templates().clone())),
            ("Release", parent.get("Release").unwrap_or_default()),
            ("Capabilities", parent.get("Capabilities").unwrap_or_default()),
            ("Values", values),
            ("Subcharts", Value::from(subcharts.clone())),
        ]
        .into_iter()
        .collect();
        let full_path = match parent_path {
            None => name.clone(),
            Some(parent) => format!("{parent}/charts/{name}"),
        };
        for subchart in &chart.subcharts {
            let child = self.add(subchart, &scope, Some(&full_path))?;
            insert(&subcharts, subchart.name.as_str(), child.into());
        }
        let library = metadata.is_library();
        for Template { name, text, .. } in chart.chart.templates() {
            if library && !path::base(name).starts_with('_') {
                continue;
            }
            // Under this name it is kept three times, and parsed once more.
            self.work.text(3 * (full_path.len() + name.len()) + text.len())?;
            let template = Placed {
                name: path::join(&full_path, name),
                text: Arc::clone(text),
                base_path: path::join(&full_path, "templates"),
                scope: scope.clone(),
            };
            self.by_name.insert(template.name.clone(), template);
        }
        Ok(scope)
    }

    /// The templates in the order in which Helm parses and executes them: deepest path first, then last name first.
    fn sorted(self) -> Vec<Placed> {
        let mut templates: Vec<Placed> = self.by_name.into_values().collect();
        let depth = |template: &Placed| template.name.bytes().filter(|b| *b == b'/').count();
        templates.sort_by(|a, b| (depth(b), &b.name).cmp(&(depth(a), &a.name)));
        templates
    }
}

fn release_value(release: &Release) -> Value {
    let map: Map = [
        ("Name", Value::from(release.name.as_str())),
        ("Namespace", Value::from(release.namespace.as_str())),
        ("IsUpgrade", Value::from(release.is_upgrade)),
        ("IsInstall", Value::from(!release.is_upgrade)),
        ("Revision", Value::int(release.revision)),
        ("Service", Value::from("Helm")),
    ]
    .into_iter()
    .collect();
    map.into()
}

/// `.Chart`: the metadata by the names of its fields in Go.
fn chart_value(chart: &Instance, is_root: bool) -> Value {
    let metadata = chart.chart.metadata();
    let annotations = if metadata.annotations.is_empty() {
        Map::nil().with_type(Type::STRING_MAP)
    } else {
        let entries = metadata
            .annotations
            .iter()
            .map(|(key, value)| (Str::from(key), Value::from(value.as_str())));
        Map::typed(Type::STRING_MAP, entries.collect())
    };
    let maintainers = metadata.maintainers.iter().map(|maintainer| -> Map {
        [
            ("Name", &maintainer.name),
            ("Email", &maintainer.email),
            ("URL", &maintainer.url),
        ]
        .into_iter()
        .map(|(key, value)| (key, value.as_str()))
        .collect()
    });
    let map: Map = [
        ("Name", Value::from(chart.name.as_str())),
        ("Home", Value::from(metadata.home.as_str())),
        ("Sources", strings(&metadata.sources)),
        ("Version", Value::from(metadata.version.as_str())),
        ("Description", Value::from(metadata.description.as_str())),
        ("Keywords", strings(&metadata.keywords)),
        ("Maintainers", maintainers.collect::<List>().into()),
        ("Icon", Value::from(metadata.icon.as_str())),
        ("APIVersion", Value::from(metadata.api_version.as_str())),
        ("Condition", Value::from(metadata.condition.as_str())),
        ("Tags", Value::from(metadata.tags.as_str())),
        ("AppVersion", Value::from(metadata.app_version.as_str())),
        ("Deprecated", Value::from(metadata.deprecated)),
        ("Annotations", annotations.into()),
        ("KubeVersion", Value::from(metadata.kube_version.as_str())),
        (
            "Dependencies",
            chart
                .dependencies
                .iter()
                .flatten()
                .map(dependency_value)
                .collect::<List>()
                .into(),
        ),
        ("Type", Value::from(metadata.chart_type.as_str())),
        ("IsRoot", Value::from(is_root)),
    ]
    .into_iter()
    .collect();
    map.into()
}

fn dependency_value(dependency: &Dependency) -> Map {
    [
        ("Name", Value::from(dependency.name.as_str())),
        ("Version", Value::from(dependency.version.as_str())),
        ("Repository", Value::from(dependency.repository.as_str())),
        ("Condition", Value::from(dependency.condition.as_str())),
        ("Tags", strings(&dependency.tags)),
        ("Enabled", Value::from(dependency.enabled)),
        (
            "ImportValues",
            dependency
                .import_values
                .iter()
                .map(from_json)
                .collect::<List>()
                .into(),
        ),
        ("Alias", Value::from(dependency.alias.as_str())),
    ]
    .into_iter()
    .collect()
}

fn strings(items: &[String]) -> Value {
    items.iter().map(String::as_str).collect::<List>().into()
}

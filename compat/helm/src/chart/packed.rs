//! A chart, as it is packed: loaded once, rendered many times.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};

use go_std::go_record;
use gotmpl::Map;

use crate::chart::archive::{self, ArchiveError};
use crate::chart::files::Files;
use crate::chart::lock::Lock;
use crate::chart::metadata::{InvalidMetadata, Metadata, RawMetadata};
use crate::chart::template_cache::TemplateCache;
use crate::record::{TypeMismatch, decode, decode_over};
use crate::schema::compiled::Compiled;
use crate::values::{self, ValuesError};
use crate::{File, Limits, Time};
use go_std::path;

/// A chart with its subcharts: immutable, cheap to clone, shared between threads and renders.
///
/// It is the chart as packed. Which subcharts take part, under which names, and with which values, is decided anew for
/// each render, because it depends on the values.
#[derive(Debug, Clone)]
pub struct Chart {
    inner: Arc<Inner>,
    metadata: Arc<Metadata>,
    values: Map,
    /// Whether there is a `values.yaml`.
    has_values: bool,
}

/// A file below `templates/`.
#[derive(Debug, Clone)]
pub struct Template {
    /// The path below the chart's root.
    pub name: String,
    /// The text, in any encoding.
    pub text: Arc<[u8]>,
    /// When it was last changed, as its archive says.
    pub modified: Time,
}

#[derive(Debug)]
struct Inner {
    lock: Option<Lock>,
    templates: Vec<Template>,
    schema: Option<Arc<[u8]>>,
    schema_modified: Time,
    files: Vec<File>,
    modified: Time,
    subcharts: Vec<Chart>,
    /// How many charts it is together with those below it.
    size: usize,
    warnings: Vec<String>,
    in_templates: OnceLock<Files>,
    parsed: TemplateCache,
    compiled_schema: OnceLock<Result<Compiled, String>>,
}

/// A chart that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file cannot be read.
    #[error("error reading {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        error: String,
    },
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// A file is not valid YAML.
    #[error("cannot load {file}: error converting YAML to JSON: {error}")]
    Yaml {
        /// The file.
        file: &'static str,
        /// What is wrong.
        error: go_yaml::Error,
    },
    /// A field of a file has the wrong type.
    #[error("cannot load {file}: {error}")]
    Field {
        /// The file.
        file: &'static str,
        /// The field and its type.
        error: TypeMismatch,
    },
    /// `values.yaml` does not hold values.
    #[error("cannot load values.yaml: {0}")]
    Values(#[from] ValuesError),
    /// `Chart.yaml` breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidMetadata),
    /// A subchart's archive is a folder.
    #[error("error unpacking subchart tar in {chart}: expected {archive}, got {found}")]
    SubchartArchive {
        /// The chart.
        chart: String,
        /// The archive's name.
        archive: String,
        /// The file that is there instead.
        found: String,
    },
    /// A subchart cannot be loaded.
    #[error("error unpacking subchart {name} in {chart}: {error}")]
    Subchart {
        /// The subchart's name below `charts/`.
        name: String,
        /// The chart.
        chart: String,
        /// Why.
        error: Box<LoadError>,
    },
    /// The `apiVersion` is not one of those that this project reads.
    #[error("unsupported chart version")]
    ApiVersion,
    /// Subcharts nest beyond [`Limits::chart_depth`].
    #[error("subcharts are nested more than {0} levels deep")]
    TooDeep(usize),
    /// The values and the metadata of the chart and its subcharts exceed [`Limits::value_items`].
    #[error("values.yaml and Chart.yaml of the chart and its subcharts hold more than {0} items")]
    TooManyItems(usize),
    /// The subcharts' archives together exceed [`Limits::chart_bytes`].
    #[error("decompressed chart is larger than the maximum size {0}")]
    TooLarge(u64),
}

impl Chart {
    /// Loads a chart from the bytes of its archive.
    pub fn from_archive(bytes: &[u8], limits: &Limits) -> Result<Self, LoadError> {
        Self::from_files(archive::read(bytes, limits)?, limits)
    }

    /// Loads a chart from its files, as they lie below its root folder.
    pub fn from_files(files: Vec<File>, limits: &Limits) -> Result<Self, LoadError> {
        check_api_version(&files)?;
        let unpacked = files.iter().map(|file| file.content.size()).sum::<u64>();
        Loader {
            limits,
            left: Limits {
                chart_bytes: limits.chart_bytes.saturating_sub(unpacked),
                files: limits.files.saturating_sub(files.len()),
                ..*limits
            },
        }
        .chart(files, 0)
    }

    /// What the chart says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The chart's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The files below `templates/`.
    pub fn templates(&self) -> &[Template] {
        &self.inner.templates
    }

    /// The values of `values.yaml`; nothing may be written to the table.
    pub fn values(&self) -> &Map {
        &self.values
    }

    /// Whether the chart has a `values.yaml`, be it an empty one.
    pub fn has_values(&self) -> bool {
        self.has_values
    }

    /// The content of `Chart.lock` or, in a chart of Helm 2, of `requirements.lock`.
    pub fn lock(&self) -> Option<&Lock> {
        self.inner.lock.as_ref()
    }

    /// When `Chart.yaml` was last changed.
    pub fn modified(&self) -> Time {
        self.inner.modified
    }

    /// When `values.schema.json` was last changed.
    pub fn schema_modified(&self) -> Time {
        self.inner.schema_modified
    }

    /// The text of `values.schema.json`.
    pub fn schema(&self) -> Option<&[u8]> {
        self.inner.schema.as_deref()
    }

    /// The files that are none of the others, as templates see them in `.Files`.
    pub fn files(&self) -> &[File] {
        &self.inner.files
    }

    /// The subcharts below `charts/`, in the order of their names there.
    pub fn subcharts(&self) -> &[Chart] {
        &self.inner.subcharts
    }

    /// What Helm would warn of when it loads the chart.
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// The chart under another version, which its templates see and its releases record.
    #[must_use]
    pub fn with_version(&self, version: &str) -> Self {
        let mut metadata = (*self.metadata).clone();
        version.clone_into(&mut metadata.version);
        Self {
            metadata: Arc::new(metadata),
            ..self.clone()
        }
    }

    /// The chart with other default values in the place of its own.
    #[must_use]
    pub fn with_values(&self, values: Map) -> Self {
        Self {
            values,
            has_values: true,
            ..self.clone()
        }
    }

    /// Whether it or any chart below it, be it one that does not take part, has files in `crds/`.
    pub fn has_crds(&self) -> bool {
        self.files().iter().any(File::is_crd) || self.subcharts().iter().any(Self::has_crds)
    }

    /// The files in `crds/` of it and of all charts below it, be it of those that do not take part.
    pub fn crds(&self) -> Vec<File> {
        let own = self.files().iter().filter(|file| file.is_crd()).cloned();
        own.chain(self.subcharts().iter().flat_map(Self::crds)).collect()
    }

    /// The names of the dependencies that `Chart.yaml` lists and `charts/` lacks.
    ///
    /// `helm template` refuses such a chart; the SDK, and with it Flux, ignores them.
    pub fn missing_dependencies(&self) -> Vec<&str> {
        let present: HashSet<&str> = self.subcharts().iter().map(Chart::name).collect();
        let listed = self.metadata().dependencies.iter().flatten();
        listed
            .map(|dependency| dependency.name.as_str())
            .filter(|name| !present.contains(name))
            .collect()
    }

    /// How many charts it is together with those below it.
    pub(crate) fn size(&self) -> usize {
        self.inner.size
    }

    /// The files as templates see them; all renders and all instances of the chart share them.
    pub(crate) fn files_in_templates(&self) -> &Files {
        self.inner.in_templates.get_or_init(|| Files::new(self.files()))
    }

    pub(crate) fn schema_bytes(&self) -> Option<&Arc<[u8]>> {
        self.inner.schema.as_ref()
    }

    /// The compiled schema; compiled on first use.
    pub(crate) fn compiled_schema(
        &self,
        compile: impl FnOnce() -> Result<Compiled, String>,
    ) -> &Result<Compiled, String> {
        self.inner.compiled_schema.get_or_init(compile)
    }

    pub(crate) fn parsed(&self) -> &TemplateCache {
        &self.inner.parsed
    }
}

/// The files of a chart, told apart by their place.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) metadata: Option<RawMetadata>,
    pub(super) lock: Option<Lock>,
    pub(super) templates: Vec<Template>,
    values: Option<Map>,
    pub(super) schema: Option<Arc<[u8]>>,
    pub(super) schema_modified: Time,
    pub(super) files: Vec<File>,
    pub(super) modified: Time,
    /// The files below `charts/`, by the first element of their path there.
    pub(super) subcharts: BTreeMap<String, Vec<File>>,
    warnings: Vec<String>,
}

struct Loader<'l> {
    limits: &'l Limits,
    /// What the archives of subcharts, and the values of all charts, may still take.
    left: Limits,
}

impl Loader<'_> {
    fn chart(&mut self, files: Vec<File>, depth: usize) -> Result<Chart, LoadError> {
        if depth > self.limits.chart_depth {
            return Err(LoadError::TooDeep(self.limits.chart_depth));
        }
        let parts = Parts::sort(files)?;
        let raw = parts.metadata.ok_or(LoadError::NoChartYaml)?;
        let metadata = raw.validate()?;
        let has_values = parts.values.is_some();
        let values = parts.values.unwrap_or_default();
        let items = values::items(&values) + metadata.items();
        self.left.value_items = self
            .left
            .value_items
            .checked_sub(items)
            .ok_or(LoadError::TooManyItems(self.limits.value_items))?;
        let mut subcharts = Vec::new();
        for (name, files) in parts.subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            match self.subchart(&name, files, &metadata.name, depth) {
                Ok(subchart) => subcharts.push(subchart),
                Err(error @ LoadError::SubchartArchive { .. }) => return Err(error),
                Err(error) => {
                    return Err(LoadError::Subchart {
                        name,
                        chart: metadata.name,
                        error: Box::new(error),
                    });
                }
            }
        }
        let inner = Inner {
            lock: parts.lock,
            templates: parts.templates,
            schema: parts.schema,
            schema_modified: parts.schema_modified,
            files: parts.files,
            modified: parts.modified,
            size: 1 + subcharts.iter().map(Chart::size).sum::<usize>(),
            subcharts,
            warnings: parts.warnings,
            in_templates: OnceLock::new(),
            parsed: TemplateCache::default(),
            compiled_schema: OnceLock::new(),
        };
        Ok(Chart {
            inner: Arc::new(inner),
            metadata: Arc::new(metadata),
            values,
            has_values,
        })
    }

    fn subchart(
        &mut self,
        name: &str,
        files: Vec<File>,
        parent: &str,
        depth: usize,
    ) -> Result<Chart, LoadError> {
        if path::ext(name) != ".tgz" {
            let below = files.into_iter().filter_map(|file| {
                let (_, name) = file.name.split_once('/')?;
                Some(File {
                    name: name.to_owned(),
                    content: file.content,
                    modified: file.modified,
                })
            });
            return self.chart(below.collect(), depth + 1);
        }
        match files.first() {
            Some(file) if file.name == name => {
                let files = archive::read(bytes(file)?, &self.left).map_err(|error| match error {
                    ArchiveError::ChartTooLarge(_) => LoadError::TooLarge(self.limits.chart_bytes),
                    ArchiveError::TooManyFiles(_) => ArchiveError::TooManyFiles(self.limits.files).into(),
                    error => error.into(),
                })?;
                let unpacked = files.iter().map(|file| file.content.size()).sum();
                self.left.chart_bytes = self.left.chart_bytes.saturating_sub(unpacked);
                self.left.files = self.left.files.saturating_sub(files.len());
                self.chart(files, depth + 1)
            }
            other => Err(LoadError::SubchartArchive {
                chart: parent.to_owned(),
                archive: name.to_owned(),
                found: other.map_or_else(String::new, |file| file.name.clone()),
            }),
        }
    }
}

impl Parts {
    pub(super) fn sort(files: Vec<File>) -> Result<Self, LoadError> {
        let mut parts = Self::default();
        for file in files.iter().filter(|file| file.name == "Chart.yaml") {
            let metadata = parts.metadata.get_or_insert_default();
            read_metadata(metadata, "Chart.yaml", bytes(file)?)?;
            metadata.default_api_version();
            parts.modified = file.modified;
        }
        for file in files {
            parts.add(file)?;
        }
        Ok(parts)
    }

    fn add(&mut self, file: File) -> Result<(), LoadError> {
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => self.lock = read_lock("Chart.lock", bytes(&file)?)?,
            "values.yaml" => self.values = Some(values::read(bytes(&file)?)?),
            "values.schema.json" => {
                self.schema = Some(Arc::clone(bytes(&file)?));
                self.schema_modified = file.modified;
            }
            "requirements.yaml" => {
                let metadata = self.metadata.get_or_insert_default();
                read_metadata(metadata, "requirements.yaml", bytes(&file)?)?;
                if metadata.is_v1() {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating \
                         dependencies to Chart.yaml."
                            .to_owned(),
                    );
                }
            }
            "requirements.lock" => {
                self.lock = read_lock("requirements.lock", bytes(&file)?)?;
                if self.metadata.get_or_insert_default().is_v1() {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating \
                         to Chart.lock."
                            .to_owned(),
                    );
                }
            }
            name if name.starts_with("templates/") => self.templates.push(Template {
                name: name.to_owned(),
                text: Arc::clone(bytes(&file)?),
                modified: file.modified,
            }),
            name if name.starts_with("charts/") && path::ext(name) != ".prov" => {
                let name = name.strip_prefix("charts/").unwrap_or_default().to_owned();
                let first = name.split('/').next().unwrap_or_default().to_owned();
                self.subcharts.entry(first).or_default().push(File {
                    name,
                    content: file.content,
                    modified: file.modified,
                });
            }
            _ => self.files.push(file),
        }
        Ok(())
    }
}

/// What Helm looks at first.
#[derive(Default)]
struct ChartBase {
    api_version: String,
}

go_record!(ChartBase = "loader.chartBase" {
    api_version = "apiVersion",
});

/// Helm looks at the `apiVersion` of the root chart before it reads anything else.
fn check_api_version(files: &[File]) -> Result<(), LoadError> {
    let file = "Chart.yaml";
    let Some(chart_yaml) = files.iter().find(|f| f.name == file) else {
        return Ok(());
    };
    let document = read_yaml(file, bytes(chart_yaml)?)?;
    let base: ChartBase = decode(&document).map_err(|error| LoadError::Field { file, error })?;
    match base.api_version.as_str() {
        "" | "v1" | "v2" => Ok(()),
        _ => Err(LoadError::ApiVersion),
    }
}

/// The content of a file that loading needs.
pub(super) fn bytes(file: &File) -> Result<&Arc<[u8]>, LoadError> {
    file.content.bytes().map_err(|error| LoadError::Read {
        file: file.name.clone(),
        error: error.to_owned(),
    })
}

fn read_yaml(file: &'static str, data: &[u8]) -> Result<serde_json::Value, LoadError> {
    go_yaml::sigs::to_value(data, &go_yaml::Limits::default())
        .map_err(|error| LoadError::Yaml { file, error })
}

fn read_lock(file: &'static str, data: &[u8]) -> Result<Option<Lock>, LoadError> {
    let document = read_yaml(file, data)?;
    if document.is_null() {
        return Ok(None);
    }
    decode(&document)
        .map(Some)
        .map_err(|error| LoadError::Field { file, error })
}

fn read_metadata(metadata: &mut RawMetadata, file: &'static str, data: &[u8]) -> Result<(), LoadError> {
    let document = read_yaml(file, data)?;
    decode_over(metadata, &document).map_err(|error| LoadError::Field { file, error })
}

//! Helm charts: loading, values, rendering.
//!
//! A [`Chart`] is loaded once, from an archive or from files, and rendered as often as needed by a [`Renderer`]:
//!
//! ```no_run
//! use std::sync::Arc;
//! use helm::{Chart, Limits, Release, RenderOptions, Renderer, strvals, values};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let environment: Arc<dyn sprig::Environment> = unimplemented!();
//! let renderer = Renderer::new(environment);
//! let chart = Chart::from_archive(&std::fs::read("podinfo-6.7.0.tgz")?, &Limits::default())?;
//! let values = values::read(b"replicaCount: 2")?;
//! strvals::set("ui.message=hello", &values)?;
//! let release = Release { name: "web".into(), namespace: "apps".into(), revision: 1, is_upgrade: false };
//! let rendered = renderer.render(&chart, &values, &RenderOptions::new(release))?;
//! for manifest in &rendered.manifests {
//!     println!("---\n# Source: {}\n{}", manifest.path, manifest.content);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The crate opens no file and no connection and reads no clock: files come in as bytes, live objects through
//! [`Lookup`], time and chance through [`sprig::Environment`]. The result is what Helm 4.2.4 renders, byte for byte.
//!
//! How a render goes: [`Chart`] -> the subcharts that take part, under their aliases -> values laid over defaults ->
//! schemas -> templates, deepest path first -> manifests and hooks in install order.

mod archive;
mod capabilities;
mod chart;
pub mod chart_version;
mod coalesce;
mod decode;
pub mod digest;
pub mod drift;
mod engine;
mod file;
mod files;
mod flux_post_renderer;
mod functions;
mod glob;
mod go;
mod ignore;
mod instance;
mod json;
mod limits;
mod lock;
mod lookup;
mod manifest;
pub mod merge;
mod metadata;
mod post_render;
mod preparation;
pub mod release;
mod render;
mod reuse;
mod schema;
mod schema_patterns;
mod schema_shape;
mod schema_work;
pub mod strvals;
mod template_cache;
mod template_error;
mod time;
pub mod values;
pub mod values_from;
mod values_methods;

pub use archive::{ArchiveError, is_gzip};
pub use capabilities::{Capabilities, GO_VERSION, InvalidKubeVersion, KUBE_CLIENT_VERSION, KubeVersion};
pub use chart::{Chart, LoadError, Template};
pub use coalesce::CoalesceError;
pub use decode::TypeMismatch;
pub use file::{Content, File};
pub use flux_post_renderer::{FluxPostRenderer, KustomizeStep};
pub use ignore::{HELMIGNORE, IgnoreError, IgnoreRules};
pub use limits::Limits;
pub use lock::Lock;
pub use lookup::{Lookup, NoCluster};
pub use manifest::{
    Hook, HookEvent, INSTALL_ORDER, Manifest, ManifestError, SortedManifests, sort_manifests, split_manifests,
};
pub use metadata::{Dependency, InvalidMetadata, Maintainer, Metadata};
pub use post_render::{PostRenderError, PostRenderStrategy, PostRenderer};
pub use preparation::Exceeded;
pub use render::{Release, RenderError, RenderOptions, Rendered, Renderer, crds_for, validate_release_name};
pub use reuse::{ReuseError, Reused};
pub use schema::SchemaError;
pub use template_error::TemplateError;
pub use time::{InvalidTime, Time};
pub use values::ValuesError;

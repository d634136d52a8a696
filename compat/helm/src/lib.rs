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
//!
//! | folder | stage |
//! |---|---|
//! | `chart` | files to a [`Chart`] |
//! | [`values`] | what users give |
//! | `prepare` | which charts take part, and with which values |
//! | `schema` | what values may be |
//! | `render` | templates to text |
//! | `manifest` | text to manifests and hooks |
//! | [`release`] | what is stored of a release |
//! | [`merge`], [`drift`] | releases and what is in the cluster |
//! | `flux` | what helm-controller adds |

mod chart;
pub mod drift;
mod flux;
mod go;
mod go_json;
mod json;
mod limits;
mod manifest;
pub mod merge;
mod prepare;
mod record;
pub mod release;
mod render;
mod schema;
mod time;
pub mod values;

pub use chart::{
    ArchiveError, Chart, Content, Dependency, File, HELMIGNORE, IgnoreError, IgnoreRules, InvalidMetadata,
    LoadError, Lock, Maintainer, Metadata, PackError, Template, is_gzip, pack,
};
pub use flux::{chart_version, digest, values_from};
pub use limits::Limits;
pub use manifest::{
    Hook, HookEvent, INSTALL_ORDER, Manifest, ManifestError, PostRenderError, PostRenderStrategy,
    PostRenderer, SortedManifests, sort_manifests, split_manifests,
};
pub use prepare::coalesce::CoalesceError;
pub use prepare::validate::SchemaError;
pub use prepare::work::Exceeded;
pub use record::TypeMismatch;
pub use release::reuse::{ReuseError, Reused};
pub use render::{
    Cancelled, Capabilities, GO_VERSION, InvalidKubeVersion, KUBE_CLIENT_VERSION, KubeVersion, Lookup,
    NoCluster, Release, RenderError, RenderOptions, Rendered, Renderer, Shown, TemplateError, crds_for,
    validate_release_name,
};
pub use time::{InvalidTime, Time};
pub use values::{ValuesError, strvals};

//! Transformations: files of several artifacts become the files of others.
//!
//! A [`Spec`](spec::Spec) names inputs and says of each output what it is made of: copies out of inputs, then steps that change
//! the result. [`outputs`] checks it ([`check`]) and gives the outputs that are wanted, [`build`] makes one. Both are pure functions of the
//! specification and the files: there is no file system, no clock, no chance, no network and no cluster for them, so that the
//! same inputs give the same bytes, on a laptop as in a cluster.
//!
//! ```
//! use std::sync::Arc;
//!
//! use flux_transform::{Inputs, Limits, Source, Tree, Work, build, outputs, spec::Spec};
//!
//! let spec: Spec = serde_json::from_value(serde_json::json!({
//!     "inputs": [{"name": "git", "sourceRef": {"kind": "GitRepository", "name": "fleet"}}],
//!     "outputs": [{
//!         "name": "web",
//!         "copy": [{"from": "@git/apps/web/", "to": "@artifact/"}],
//!         "steps": [{"kustomize": {"path": "web", "targetNamespace": "prod"}}],
//!     }],
//! }))?;
//! let files = [("apps/web/service.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")];
//! let source = Source { files: Arc::new(files.into_iter().collect::<Tree>()), ..Source::default() };
//! let inputs: Inputs = [("git".to_owned(), source)].into();
//! let work = Work::within(Limits::default());
//! for wanted in outputs(&spec, &inputs, &work)? {
//!     let built = build(&wanted, &inputs, &work)?;
//!     let manifests = built.files.file("manifests.yaml").map(|file| file.content.to_vec());
//!     let expected = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: prod\n";
//!     assert_eq!(manifests.as_deref(), Some(expected.as_bytes()));
//!     assert!(built.revision().starts_with("latest@sha256:"));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | what is there |
//! |---|---|
//! | [`spec`] | what people write |
//! | `check`, `wanted`, `captures` | what is wanted of it: a set of outputs for each match of `discover` |
//! | `build`, `stage` | one output while it is made |
//! | `copy`, `glob`, `path` | copies, as source-watcher's ArtifactGenerator makes them |
//! | `steps` | one file for each kind of step |
//! | `memo` | what was hashed before, so that an output that did not change costs next to nothing |
//! | `generator` | source-watcher's objects, turned into ours |

mod build;
mod captures;
mod check;
mod copy;
mod error;
mod generator;
mod glob;
mod limits;
mod memo;
mod path;
mod revision;
pub mod spec;
mod stage;
mod steps;
mod tree;
mod unpack;
mod wanted;
mod yaml;

pub use build::{Built, build};
pub use check::check;
pub use error::{Failure, Problem, Reason};
pub use generator::{ConvertError, Converted, GENERATOR, convert};
pub use limits::{Limits, Work};
pub use memo::Memo;
pub use stage::{Inputs, Source};
pub use tree::{File, PathError, Tree};
pub use wanted::{Wanted, outputs};

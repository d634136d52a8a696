//! YAML as Go's yaml.v2, yaml.v3 and sigs.k8s.io/yaml read and write it.
//!
//! Flux, Helm and kustomize pass YAML through three Go libraries that differ in what `yes` is, which of two equal keys
//! counts, where long lines break, how lists are indented and on which line an error is. Checksums, release records and
//! inventories depend on all of that, so this crate reproduces it, error texts included.
//!
//! | module | Go counterpart | use it for |
//! |---|---|---|
//! | [`v3`] | `go.yaml.in/yaml/v3`, kyaml | trees that are edited and printed again ([`Node`]) |
//! | [`sigs`] | `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2` | values: charts, values files, `toYaml`, kustomize output |
//! | [`gojson`] | `encoding/json` | `toJson`, hashes |
//!
//! A value, as Helm reads and prints it:
//!
//! ```
//! use go_yaml::{Limits, sigs};
//!
//! let value = sigs::to_value(b"enabled: yes\nport: 0777\n", &Limits::default())?;
//! assert_eq!(sigs::value_to_string(&value)?, "enabled: true\nport: 511\n");
//!
//! let error = sigs::to_value(b"a: 1\nb: c: d\n", &Limits::default()).unwrap_err();
//! assert_eq!(error.to_string(), "yaml: line 2: mapping values are not allowed in this context");
//! # Ok::<(), go_yaml::Error>(())
//! ```
//!
//! A tree, as kustomize edits and prints it:
//!
//! ```
//! use go_yaml::{Limits, Node, sigs, v3};
//!
//! let mut node = v3::parse_first(b"kind: Web # small\nport: 80\n", &Limits::default())?.unwrap();
//! node.set("name", Node::string("front"));
//! assert_eq!(v3::to_string(&node, &Default::default())?, "kind: Web # small\nport: 80\nname: front\n");
//! assert_eq!(sigs::node_to_string(&node)?, "kind: Web\nname: front\nport: 80\n");
//! # Ok::<(), go_yaml::Error>(())
//! ```
//!
//! From the bytes to the value: `reader` (encodings, allowed characters), `scanner` (tokens, comments), `parser` (events),
//! `compose` (trees), `build` (values without a tree), `resolve` and `decode` (types, merge keys, duplicates, values), `de` (Rust types). And back: `emit`.

mod build;
mod compose;
mod decode;
mod emit;
mod error;
mod finite;
pub mod gojson;
mod limits;
mod node;
mod parser;
mod reader;
mod resolve;
mod scanner;
pub mod sigs;
mod size;
mod sort;
mod timestamp;
pub mod v3;
mod value;

pub use build::ToJson;
pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use node::{Comments, Kind, Node, Style, Tag};
pub use size::Size;

//! YAML as Go's yaml.v2, yaml.v3 and sigs.k8s.io/yaml read and write it.
//!
//! | module | Go counterpart | use it for |
//! |---|---|---|
//! | [`v3`] | `go.yaml.in/yaml/v3`, kyaml | trees that are edited and printed again ([`Node`]) |
//! | [`sigs`] | `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2` | values: charts, values files, `toYaml`, kustomize output |
//! | [`gojson`] | `encoding/json` | `toJson`, hashes |
//! | [`float`] | `strconv` | numbers as Go prints them |

mod compose;
mod de;
mod decode;
mod emit;
mod error;
pub mod float;
pub mod gojson;
mod limits;
mod node;
mod parser;
mod reader;
mod resolve;
mod scanner;
pub mod sigs;
mod sort;
mod timestamp;
pub mod v3;
mod value;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use node::{Comments, Kind, Node, Style, Tag};

//! YAML as Go's yaml.v2, yaml.v3 and sigs.k8s.io/yaml read and write it.
//!
//! | module | Go counterpart | use it for |
//! |---|---|---|
//! | [`v3`] | `go.yaml.in/yaml/v3`, kyaml | trees that are edited and printed again ([`Node`]) |
//! | [`sigs`] | `sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2` | values: charts, values files, `toYaml`, kustomize output |
//! | [`gojson`] | `encoding/json` | `toJson`, hashes |
//! | [`float`] | `strconv` | numbers as Go prints them |

#[expect(dead_code, reason = "the reader that makes these errors lands next")]
mod error;
#[expect(dead_code, reason = "the printers land next")]
pub mod float;
pub mod gojson;
mod limits;
#[expect(dead_code, reason = "positions are set by the reader, which lands next")]
mod node;
pub mod sigs;
pub mod v3;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use node::{Comments, Kind, Node, Style, Tag};

//! Release records: what Helm stores of each revision of a release, and what helm-controller remembers of that.
//!
//! A record is the JSON of a [`Release`], packed by gzip, in base64, in a Secret whose labels say what it is of. Helm 4,
//! Helm 3 and helm-controller read what is written here, and the other way round; JSON is equal to the byte, while the
//! bytes of gzip may differ, which nobody compares.
//!
//! ```
//! use helm::release::{Info, Release, Status};
//!
//! let release = Release {
//!     name: "web".into(),
//!     namespace: "apps".into(),
//!     version: 1,
//!     info: Info { status: Status::Deployed, ..Info::default() },
//!     ..Release::default()
//! };
//! let secret = release.encode()?;
//! let read = Release::decode(secret.as_bytes())?;
//! assert_eq!(read.info.status, Status::Deployed);
//! assert_eq!(read.secret_name(), "sh.helm.release.v1.web.v1");
//! assert_eq!(read.labels_on_create(1_700_000_000)["status"], "deployed");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chart;
pub mod config;
mod encoding;
mod hook;
mod info;
mod name;
pub(crate) mod reuse;
mod snapshot;
pub mod storage;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::go_json;

pub use chart::Chart;
pub use encoding::{DecodeError, EncodeError, MAX_RECORD_BYTES};
pub use hook::{DeletePolicy, Execution, Hook, Phase, execution_order};
pub use info::{Info, Status};
pub use name::{release_name, shorten_name};
pub use snapshot::{SNAPSHOT_API_VERSION, Snapshot, SnapshotError};
pub use text::Text;

use hook::{is_zero, or_default};

/// A revision of a release.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Release {
    /// The name.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub name: String,
    /// Its state.
    #[serde(default, deserialize_with = "or_default")]
    pub info: Info,
    /// The chart that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// The values that it was given; those of the chart are not among them.
    #[serde(
        default,
        deserialize_with = "config::deserialize",
        skip_serializing_if = "Map::is_empty"
    )]
    pub config: Map<String, Json>,
    /// The objects, without hooks, as one stream of YAML.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub manifest: Text,
    /// The hooks.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hooks: Vec<Hook>,
    /// The revision, counted from 1.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub version: i64,
    /// The namespace.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub namespace: String,
    /// How its objects were applied: [`SERVER_SIDE`], [`CLIENT_SIDE`], or nothing if Helm 3 did it, which is the latter.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub apply_method: String,
    /// Fields that this version does not know; they are written again, and count in no digest.
    #[serde(flatten)]
    pub unknown: Map<String, Json>,
    /// The labels of its Secret; they are not part of the JSON, see [`storage`].
    #[serde(skip)]
    pub labels: BTreeMap<String, String>,
}

/// The [`apply_method`](Release::apply_method) of server-side apply.
pub const SERVER_SIDE: &str = "ssa";

/// The [`apply_method`](Release::apply_method) of client-side apply.
pub const CLIENT_SIDE: &str = "csa";

impl Release {
    /// Writes the record as the value of `release` in its Secret, before Kubernetes writes that in base64 once more.
    pub fn encode(&self) -> Result<String, EncodeError> {
        encoding::encode(self)
    }

    /// Reads the value of `release` in a Secret; the labels are to be set from those of the Secret.
    pub fn decode(text: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(text)
    }

    /// Writes the JSON that is packed into the record.
    pub fn to_json(&self) -> Result<Vec<u8>, EncodeError> {
        let mut json = Vec::new();
        go_json::write(&mut json, self)?;
        Ok(json)
    }

    /// Whether its objects were applied by the server.
    pub fn is_server_side(&self) -> bool {
        self.apply_method == SERVER_SIDE
    }
}

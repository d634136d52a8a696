//! What is kept about a HelmChart that was made.

use serde_json::Value;

/// A HelmChart as it was applied last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Made {
    /// Its UID.
    pub(crate) uid: String,
    /// Its generation: what others change of its spec makes another one.
    pub(crate) generation: i64,
    /// What was applied.
    pub(crate) wanted: Value,
}

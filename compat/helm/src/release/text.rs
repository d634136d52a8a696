//! Texts that copies of a record share.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serializer};

/// Reads a text; null is an empty one, as in Go.
pub(super) fn shared_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.unwrap_or_default().into())
}

/// Writes a text.
pub(super) fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// Whether there is no text.
pub(super) fn is_empty(text: &Arc<str>) -> bool {
    text.is_empty()
}

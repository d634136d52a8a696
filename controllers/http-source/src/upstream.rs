//! What a server said about what is stored.

use serde_json::{Value, json};

/// The field of the status that keeps it.
pub(crate) const UPSTREAM: &str = "upstream";

/// What a server said about a body, and what that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upstream {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Upstream {
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |field: &str| value.get(field)?.as_str().map(str::to_owned);
        let upstream = Self {
            etag: text("etag"),
            last_modified: text("lastModified"),
            digest: text("digest"),
        };
        (upstream != Self::default()).then_some(upstream)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({});
        let fields = [
            ("etag", &self.etag),
            ("lastModified", &self.last_modified),
            ("digest", &self.digest),
        ];
        for (field, text) in fields {
            if let Some(text) = text {
                value[field] = text.as_str().into();
            }
        }
        value
    }
}

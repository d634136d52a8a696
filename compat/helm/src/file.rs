//! A file of a chart.

use std::sync::Arc;

/// A file of a chart: its path below the chart's root, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path, separated by `/`, without a leading one.
    pub name: String,
    /// The content, without a UTF-8 byte order mark at its start.
    pub data: Arc<[u8]>,
}

impl File {
    /// A file with the given content; a leading byte order mark is dropped, as Helm does.
    pub fn new(name: impl Into<String>, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        Self {
            name: name.into(),
            data: data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data).into(),
        }
    }
}

//! A file of a chart.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::Time;
use go_std::path;

/// A file of a chart: its path below the chart's root, and its bytes.
#[derive(Debug, Clone)]
pub struct File {
    /// The path, separated by `/`, without a leading one.
    pub name: String,
    /// The content, without a UTF-8 byte order mark at its start.
    pub content: Content,
    /// When it was last changed, as its archive says; release records keep it.
    pub modified: Time,
}

impl File {
    /// A file with the given content; a leading byte order mark is dropped, as Helm does.
    pub fn new(name: impl Into<String>, data: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.into(),
            content: Content(Inner::Bytes(without_mark(data.as_ref()).into())),
            modified: Time::default(),
        }
    }

    /// Whether it holds CustomResourceDefinitions that Helm installs ahead of everything else.
    pub fn is_crd(&self) -> bool {
        let extension = path::ext(&self.name).to_ascii_lowercase();
        self.name.starts_with("crds/") && matches!(extension.as_str(), ".yaml" | ".yml" | ".json")
    }

    /// The same file with the time of its last change.
    #[must_use]
    pub fn with_modified(mut self, modified: Time) -> Self {
        self.modified = modified;
        self
    }

    /// A file of `size` bytes that is read when a template asks for it, at most once.
    ///
    /// Charts ship files of many megabytes of which a render uses a few. `read` returns the content or says why there
    /// is none, which fails the render.
    pub fn on_demand(
        name: impl Into<String>,
        size: u64,
        read: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        let read: Box<Read> = Box::new(read);
        Self {
            name: name.into(),
            content: Content(Inner::OnDemand(Arc::new(OnDemand {
                size,
                read,
                result: OnceLock::new(),
            }))),
            modified: Time::default(),
        }
    }
}

/// The content of a file; clones share it.
#[derive(Clone)]
pub struct Content(Inner);

#[derive(Clone)]
enum Inner {
    Bytes(Arc<[u8]>),
    OnDemand(Arc<OnDemand>),
}

type Read = dyn Fn() -> Result<Vec<u8>, String> + Send + Sync;

struct OnDemand {
    size: u64,
    read: Box<Read>,
    result: OnceLock<Result<Arc<[u8]>, String>>,
}

impl Content {
    /// The bytes; reads them if nobody has done so before.
    pub fn bytes(&self) -> Result<&Arc<[u8]>, &str> {
        match &self.0 {
            Inner::Bytes(bytes) => Ok(bytes),
            Inner::OnDemand(later) => later
                .result
                .get_or_init(|| (later.read)().map(|data| without_mark(&data).into()))
                .as_ref()
                .map_err(String::as_str),
        }
    }

    /// How many bytes there are, a byte order mark included if nobody has read them yet.
    pub fn size(&self) -> u64 {
        match &self.0 {
            Inner::Bytes(bytes) => bytes.len() as u64,
            Inner::OnDemand(later) => later.size,
        }
    }

    /// Why the bytes cannot be read, if somebody has tried.
    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.0 {
            Inner::Bytes(_) => None,
            Inner::OnDemand(later) => later.result.get()?.as_ref().err().map(String::as_str),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size())
    }
}

fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data)
}

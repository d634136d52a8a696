//! `Chart.lock`: which versions of its dependencies a chart was packed with.

use serde::Serialize;

use crate::Time;
use crate::chart::{LoadError, read_yaml};
use crate::decode::{Place, TypeMismatch};
use crate::metadata::{Dependency, dependencies};

/// The content of a `Chart.lock`; it takes no part in rendering, but release records keep it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// When it was written.
    pub generated: Time,
    /// A digest of the dependencies in `Chart.yaml`.
    pub digest: String,
    /// The versions; nothing if the file does not have the list. Nothing stands for an entry that is null.
    pub dependencies: Option<Vec<Option<Dependency>>>,
}

impl Lock {
    /// Reads a lock file.
    pub(crate) fn read(file: &'static str, data: &[u8]) -> Result<Option<Self>, LoadError> {
        let document = read_yaml(file, data)?;
        if document.is_null() {
            return Ok(None);
        }
        Self::of(&document)
            .map(Some)
            .map_err(|error| LoadError::Field { file, error })
    }

    fn of(document: &serde_json::Value) -> Result<Self, TypeMismatch> {
        let object = Place::root().object(document, "v2.Lock")?;
        Ok(Self {
            generated: object.read("generated", Place::time)?.unwrap_or_default(),
            digest: object.read("digest", Place::string)?.unwrap_or_default(),
            dependencies: object.read("dependencies", dependencies)?,
        })
    }
}

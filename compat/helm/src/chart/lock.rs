//! `Chart.lock`: which versions of its dependencies a chart was packed with.

use go_std::go_record;
use serde::Serialize;

use crate::Time;
use crate::chart::metadata::Dependency;

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

go_record!(Lock = "v2.Lock" {
    generated = "generated",
    digest = "digest",
    dependencies = "dependencies",
});

//! Library to write a controller that produces Artifact resources.
//!
//! The author of a source writes one async function, [`Produce::produce`]: from an object of their kind to [`Content`], or to
//! a [`Failure`] that says when to try again. The rest is here: watches and queue, intervals and requests, storage and file
//! server, the Artifact, statuses, events and metrics. In reading order:
//!
//! - [`Source`] and [`Produce`] are the author's part; [`Run`] is what the library gives it.
//! - [`run`] is the controller: `handle` looks at one object, `upkeep` at what is stored for it, `report` says what became of it.
//! - [`answers`] sorts what servers answer, for authors who ask them in other ways than [`Http`] does.
//! - [`publish`] writes Artifacts: for producers, and for whoever mirrors what others store.
//! - [`Storage`] opens the volume and serves it, for all producers of a process; [`tidy`] removes what nobody needs.
//!
//! # Guarantees
//! - A good Artifact is never emptied: a source that fails keeps what it offered last.
//! - Nothing is written when nothing changed, neither to the volume nor to the cluster.
//! - First the file, then the Artifact, then the status of the source: what is advertised is there.
//! - An Artifact that somebody else made is left alone.
//! - There are no finalizers: with its source an Artifact goes, and its files with it, without this process too.

mod content;
mod controller;
mod directory;
mod http;
mod metrics;
mod owner;
mod run;
mod source;
mod storage;

pub mod answers;
pub mod publish;
pub mod tidy;

pub use artifact_crd::{LocalReference, Schedule, SourceStatus};
pub use content::{Content, Produced};
pub use controller::{Connections, Settings, run};
pub use controller_kit::author::{Failure, Fate, ResultExt, ScheduleExt};
pub use directory::read_directory;
pub use flux_archive::{Files, Limits, Loaded};
pub use http::{FetchSettings, Http, Response, http_headers};
pub use metrics::ProducerMetrics;
pub use owner::Owner;
pub use run::Run;
pub use source::{Produce, Source, Wake};
pub use storage::{Listening, Storage, StorageError, StorageSettings};

/// Everything that the author of a source sees.
pub mod prelude {
    pub use controller_kit::events::Severity;

    pub use crate::{
        Content, Failure, Fate, Files, Limits, Loaded, LocalReference, Produce, Produced, ResultExt, Run,
        Schedule, Source, SourceStatus, read_directory,
    };
}

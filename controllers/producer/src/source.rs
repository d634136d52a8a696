//! What the author of a source writes.

use std::fmt::Debug;
use std::sync::Arc;

use artifact_crd::{Http, Schedule, SourceStatus};
use controller_kit::ObjectKey;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;

use crate::{Failure, Produced, Run};

/// A kind of source.
pub trait Source:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Says when it is looked at.
    fn schedule(&self) -> &Schedule;

    /// Gives its status, if it has one yet.
    fn status(&self) -> Option<&SourceStatus>;
}

/// Makes the content of sources.
pub trait Produce: Send + Sync + 'static {
    /// The kind of source.
    type Source: Source;

    /// Begins to listen to whatever else sources are made of; `wake` has one looked at when that changes. Called once, before
    /// any source is looked at.
    fn listen(&self, wake: Wake) {
        drop(wake);
    }

    /// Forgets a source that is gone.
    fn forget(&self, _source: &ObjectKey) {}

    /// Looks at a source. It is dropped when it takes longer than the source's `timeout`.
    fn produce(
        &self,
        source: &Self::Source,
        run: &mut Run,
    ) -> impl Future<Output = Result<Produced, Failure>> + Send;
}

/// Has a source looked at because something changed that it is made of; clones do the same.
#[derive(Clone)]
pub struct Wake(pub(crate) Arc<dyn Fn(&ObjectKey) + Send + Sync>);

impl Wake {
    /// Has a source looked at.
    pub fn wake(&self, source: &ObjectKey) {
        (self.0)(source);
    }
}

/// The kind of the project's own source; its producer is a crate like any other.
impl Source for Http {
    fn schedule(&self) -> &Schedule {
        &self.spec.schedule
    }

    fn status(&self) -> Option<&SourceStatus> {
        self.status.as_ref()
    }
}

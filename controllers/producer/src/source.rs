//! What the author of a source writes.

use std::fmt::Debug;

use artifact_crd::{Http, Schedule, SourceStatus};
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

    /// Looks at a source. It is dropped when it takes longer than the source's `timeout`.
    fn produce(
        &self,
        source: &Self::Source,
        run: &mut Run,
    ) -> impl Future<Output = Result<Produced, Failure>> + Send;
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

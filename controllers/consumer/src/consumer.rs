//! What the author of a deployer writes.

use std::fmt::Debug;

use artifact_crd::{ConsumerStatus, Schedule};
use controller_kit::author::Failure;
use flux_api::CrossNamespaceSourceReference;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;

use crate::inputs::Inputs;
use crate::run::Run;

/// A reference to a source of any kind.
pub type SourceReference = CrossNamespaceSourceReference;

/// A kind of object that consumes Artifacts.
pub trait Consumer:
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
    fn status(&self) -> Option<&ConsumerStatus>;

    /// Gives the sources that it consumes; their order is that of [`Inputs`].
    fn references(&self) -> Vec<&SourceReference>;

    /// Names the service account of its namespace as which objects are applied; the controller itself when absent.
    fn service_account(&self) -> Option<&str> {
        None
    }
}

/// Brings Artifacts into a cluster, or wherever else.
pub trait Deploy: Send + Sync + 'static {
    /// The kind of object that says what to deploy.
    type Object: Consumer;

    /// Set, the library puts it on objects, and calls [`Deploy::remove`] before it comes off.
    const FINALIZER: Option<&'static str> = None;

    /// Deploys the inputs of an object. It is dropped when it takes longer than the object's `timeout`.
    fn deploy(
        &self,
        object: &Self::Object,
        inputs: &Inputs,
        run: &mut Run,
    ) -> impl Future<Output = Result<Deployed, Failure>> + Send;

    /// Cleans up after an object that is being deleted, if there is a [`Deploy::FINALIZER`].
    fn remove(&self, _: &Self::Object, _: &mut Run) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }
}

/// What was deployed.
#[derive(Clone, Debug, Default)]
pub struct Deployed {
    pub(crate) message: Option<String>,
}

impl Deployed {
    /// Says in its own words what was deployed.
    pub fn with_message(message: impl Into<String>) -> Self {
        Self {
            message: Some(message.into()),
        }
    }
}

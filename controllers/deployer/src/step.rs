//! What the next step of an object depends on, and which steps there are.

use std::sync::Arc;

use artifact_consumer::{LookupError, ReferenceError};
use artifact_crd::Artifact;
use controller_kit::ObjectKey;
use flux_api::{
    ConditionStatus, ConditionsExt, DependencyReference, Deployed, DeployedStatus, FINALIZER, READY, reason,
};

/// Everything that the next step depends on.
pub struct Observed<'a, O> {
    /// The object to reconcile.
    pub object: &'a O,
    /// The artifact of its source.
    pub artifact: Result<Arc<Artifact>, ArtifactProblem>,
    /// The objects that it depends on, in the order of `dependsOn`.
    pub dependencies: Vec<Dependency<O>>,
    /// Whether a dependency with an expression has to be ready as well (gate `AdditiveCELDependencyCheck`).
    pub checks_both: bool,
}

/// Why there is no artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactProblem {
    /// The reference cannot be followed, ever.
    Reference(ReferenceError),
    /// There is no artifact at the moment.
    Lookup(LookupError),
    /// The cluster has no Artifact resource, or it cannot be read.
    NotServed(String),
}

/// An object of `dependsOn` as the cluster has it.
pub struct Dependency<O> {
    /// Its namespace and name.
    pub key: ObjectKey,
    /// The object, unless it does not exist.
    pub object: Option<Arc<O>>,
    /// Why it could not be read, if that is why there is none.
    pub unreadable: Option<String>,
    /// Whether it consumes the same source.
    pub same_source: bool,
    /// What tells that it is ready, instead of its conditions; empty where these do (`readyExpr`).
    pub expression: String,
}

/// The next step.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Deal with what was applied, then let the object go.
    Finalize,
    /// Nothing, because the object is being deleted and is not held by us.
    LetGo,
    /// Nothing, because the object is suspended.
    Rest,
    /// Nothing until somebody edits the object.
    Refuse(Refusal),
    /// The same, for what the object says of a dependency: what has to be there before is prepared all the same.
    RefuseDependency(Refusal),
    /// Nothing until the artifact is there.
    AwaitArtifact(ArtifactProblem),
    /// Nothing until a dependency is ready.
    AwaitDependency(String),
    /// Bring the artifact into the cluster.
    Deploy(Arc<Artifact>),
}

/// Why an object is not reconciled until it is edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Reason of the conditions.
    pub reason: &'static str,
    /// Text for people, which says what to edit.
    pub message: String,
}

impl From<&ReferenceError> for Refusal {
    fn from(error: &ReferenceError) -> Self {
        Self {
            reason: reason::ACCESS_DENIED,
            message: error.to_string(),
        }
    }
}

/// Tells whether an object cannot vanish before we let it go.
pub fn is_held(object: &impl Deployed) -> bool {
    let finalizers = object.meta().finalizers.as_deref().unwrap_or_default();
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// Tells why a dependency is not ready by its conditions, in stock's words; one with the same source has to have applied
/// `revision` too.
pub fn not_ready<O: Deployed>(dependency: &Dependency<O>, revision: &str) -> Option<String> {
    let key = &dependency.key;
    let Some(object) = &dependency.object else {
        let resource = format!("{}.{}", O::plural(&()), O::group(&()));
        let missing = || format!("{resource} {:?} not found", key.name);
        let why = dependency.unreadable.clone().unwrap_or_else(missing);
        return Some(format!("dependency '{key}' not found: {why}"));
    };
    let status = object.status();
    let settled = object.meta().generation == Some(status.observed_generation());
    if !settled || !status.conditions().has_status(READY, ConditionStatus::True) {
        return Some(format!("dependency '{key}' is not ready"));
    }
    if dependency.same_source && status.applied_revision() != revision {
        return Some(format!("dependency '{key}' revision is not up to date"));
    }
    None
}

/// The objects that `object` depends on.
pub(crate) fn dependencies(object: &impl Deployed) -> Vec<ObjectKey> {
    let own = object.meta().namespace.as_deref().unwrap_or_default();
    let key = |reference| dependency_key(own, reference);
    object.depends_on().iter().map(key).collect()
}

/// What an entry of `dependsOn` of an object in `namespace` means.
pub(crate) fn dependency_key(namespace: &str, reference: &DependencyReference) -> ObjectKey {
    let namespace = match reference.namespace.as_str() {
        "" => namespace,
        other => other,
    };
    ObjectKey::new(namespace, reference.name.as_str())
}

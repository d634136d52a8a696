//! The strings that Flux's controllers, clients and users agree on.

/// API group of the sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// API group of Kustomizations, and prefix of their labels, annotations and event metadata.
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// API group of HelmReleases.
pub const HELM_GROUP: &str = "helm.toolkit.fluxcd.io";
/// API group of events as notification-controller takes them, and prefix of annotations that are copied into events.
pub const EVENT_GROUP: &str = "event.toolkit.fluxcd.io";

/// Finalizer of every stock Flux kind.
pub const FINALIZER: &str = "finalizers.fluxcd.io";

/// Annotation that asks for a reconciliation; any new value counts.
pub const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";
/// Annotation that asks for a forced reconciliation when it equals [`REQUESTED_AT`].
pub const FORCE_AT: &str = "reconcile.fluxcd.io/forceAt";
/// Annotation that resets failure counts of a HelmRelease when it equals [`REQUESTED_AT`].
pub const RESET_AT: &str = "reconcile.fluxcd.io/resetAt";
/// Label of ConfigMaps and Secrets whose change triggers a reconciliation, with the value `Enabled`.
pub const WATCH_LABEL: &str = "reconcile.fluxcd.io/watch";
/// Label that assigns an object to a shard.
pub const SHARD_KEY: &str = "sharding.fluxcd.io/key";

/// Label of applied objects: the name of their Kustomization.
pub const KUSTOMIZE_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label of applied objects: the namespace of their Kustomization.
pub const KUSTOMIZE_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Label or annotation of objects: `disabled` leaves the object alone.
pub const KUSTOMIZE_RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
/// Label or annotation of objects: `Merge`, `IfNotPresent`, `Ignore` or `Override`.
pub const KUSTOMIZE_SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
/// Label or annotation of objects: `disabled` keeps the object from being deleted.
pub const KUSTOMIZE_PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
/// Label or annotation of objects: `enabled` recreates the object when an immutable field changed.
pub const KUSTOMIZE_FORCE: &str = "kustomize.toolkit.fluxcd.io/force";
/// Label or annotation of objects: `disabled` keeps variables in it from being substituted.
pub const KUSTOMIZE_SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// Annotation of objects: `disabled` keeps encrypted fields as they are.
pub const KUSTOMIZE_DECRYPT: &str = "kustomize.toolkit.fluxcd.io/decrypt";

/// Value that switches one of the above on, in any letter case.
pub const ENABLED: &str = "enabled";
/// Value that switches one of the above off, in any letter case.
pub const DISABLED: &str = "disabled";

/// Artifact metadata key of the origin revision, written by OCI tooling.
pub const ORIGIN_REVISION: &str = "org.opencontainers.image.revision";

/// Condition: the object is reconciled.
pub const READY: &str = "Ready";
/// Condition: the controller is at work on the object.
pub const RECONCILING: &str = "Reconciling";
/// Condition: the object needs an edit before anything more can be done.
pub const STALLED: &str = "Stalled";
/// Condition: the applied objects are healthy.
pub const HEALTHY: &str = "Healthy";

/// Keys of event metadata, without the prefix of the sending group.
pub mod event {
    /// Revision of the artifact.
    pub const REVISION: &str = "revision";
    /// Origin revision of the artifact.
    pub const ORIGIN_REVISION: &str = "originRevision";
    /// Checksum of the artifact; superseded by [`DIGEST`].
    pub const CHECKSUM: &str = "checksum";
    /// Digest of the artifact.
    pub const DIGEST: &str = "digest";
    /// Token that tells events apart for rate limiting.
    pub const TOKEN: &str = "token";
    /// Git commit.
    pub const COMMIT: &str = "commit";
    /// Marks an event that updates a commit status.
    pub const COMMIT_STATUS: &str = "commit_status";
    /// The value of [`COMMIT_STATUS`].
    pub const COMMIT_STATUS_UPDATE: &str = "update";
    /// Identifier of a change request.
    pub const CHANGE_REQUEST: &str = "change_request";
    /// Severity of an informational event.
    pub const INFO: &str = "info";
    /// Severity of an error event.
    pub const ERROR: &str = "error";
    /// Severity of a trace event.
    pub const TRACE: &str = "trace";
}

/// Reasons of conditions and events.
pub mod reason {
    /// The reconciliation ended well.
    pub const RECONCILIATION_SUCCEEDED: &str = "ReconciliationSucceeded";
    /// The reconciliation failed while applying.
    pub const RECONCILIATION_FAILED: &str = "ReconciliationFailed";
    /// The controller is at work.
    pub const PROGRESSING: &str = "Progressing";
    /// The controller failed and will try again.
    pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
    /// An operation went well.
    pub const SUCCEEDED: &str = "Succeeded";
    /// An operation failed.
    pub const FAILED: &str = "Failed";
    /// The object is suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// A dependency is not ready.
    pub const DEPENDENCY_NOT_READY: &str = "DependencyNotReady";
    /// The artifact is missing or could not be downloaded.
    pub const ARTIFACT_FAILED: &str = "ArtifactFailed";
    /// The build failed.
    pub const BUILD_FAILED: &str = "BuildFailed";
    /// Deleting stale objects failed.
    pub const PRUNE_FAILED: &str = "PruneFailed";
    /// An object is not healthy.
    pub const HEALTH_CHECK_FAILED: &str = "HealthCheckFailed";
    /// A health check was stopped because there is something newer to do.
    pub const HEALTH_CHECK_CANCELED: &str = "HealthCheckCanceled";
    /// A CEL expression is not valid.
    pub const INVALID_CEL_EXPRESSION: &str = "InvalidCELExpression";
    /// A field needs a feature gate that is off.
    pub const FEATURE_GATE_DISABLED: &str = "FeatureGateDisabled";
    /// A reference is not allowed.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// A path is not valid.
    pub const INVALID_PATH: &str = "InvalidPath";
    /// A URL is not valid.
    pub const INVALID_URL: &str = "InvalidURL";
    /// A temporary directory could not be made.
    pub const DIR_CREATION_FAILED: &str = "DirectoryCreationFailed";
    /// The stored artifact is that of the current state of the source.
    pub const ARTIFACT_UP_TO_DATE: &str = "ArtifactUpToDate";
}

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
/// Annotation that asks our deployers to let an object be until whoever moves it has seen that stock is done with it; since when, as
/// RFC 3339. Without a newer one they begin after a while all the same.
pub const HELD_SINCE: &str = "openfluxcd.ocm.software/held-since";
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

/// Label of a release's objects, and of the HelmChart made for it: the name of the HelmRelease.
pub const HELM_NAME: &str = "helm.toolkit.fluxcd.io/name";
/// Label of a release's objects, and of the HelmChart made for it: the namespace of the HelmRelease.
pub const HELM_NAMESPACE: &str = "helm.toolkit.fluxcd.io/namespace";
/// Label or annotation of objects: `disabled` keeps them from being compared with their release.
pub const HELM_DRIFT_DETECTION: &str = "helm.toolkit.fluxcd.io/driftDetection";

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
/// Condition: the last install or upgrade went well.
pub const RELEASED: &str = "Released";
/// Condition: the tests of the release went well.
pub const TEST_SUCCESS: &str = "TestSuccess";
/// Condition: the release was rolled back or uninstalled because it had failed.
pub const REMEDIATED: &str = "Remediated";
/// Condition: somebody else has changed objects of the release.
pub const DRIFTED: &str = "Drifted";

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
    /// Digest of the OCI artifact of a chart.
    pub const OCI_DIGEST: &str = "oci-digest";
    /// Version of the application in a chart.
    pub const APP_VERSION: &str = "app-version";
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

    /// The chart's source has no artifact that can be used.
    pub const SOURCE_NOT_READY: &str = "SourceNotReady";
    /// The values could not be composed.
    pub const VALUES_ERROR: &str = "ValuesError";
    /// The version of the chart does not go with the revision of its artifact.
    pub const CHART_MUTATE_ERROR: &str = "ChartMutateError";
    /// The identity that applies could not be taken on.
    pub const REST_CLIENT_ERROR: &str = "RESTClientError";
    /// The release records could not be read, or say what nobody knows.
    pub const STATE_ERROR: &str = "StateError";
    /// An action ended in an error that is none of the release.
    pub const RECONCILE_ERROR: &str = "ReconcileError";
    /// An install went well.
    pub const INSTALL_SUCCEEDED: &str = "InstallSucceeded";
    /// An install failed.
    pub const INSTALL_FAILED: &str = "InstallFailed";
    /// An upgrade went well.
    pub const UPGRADE_SUCCEEDED: &str = "UpgradeSucceeded";
    /// An upgrade failed.
    pub const UPGRADE_FAILED: &str = "UpgradeFailed";
    /// The tests went well.
    pub const TEST_SUCCEEDED: &str = "TestSucceeded";
    /// A test failed.
    pub const TEST_FAILED: &str = "TestFailed";
    /// The tests have not run yet.
    pub const AWAITING_TESTS: &str = "AwaitingTests";
    /// A rollback went well.
    pub const ROLLBACK_SUCCEEDED: &str = "RollbackSucceeded";
    /// A rollback failed.
    pub const ROLLBACK_FAILED: &str = "RollbackFailed";
    /// An uninstall went well.
    pub const UNINSTALL_SUCCEEDED: &str = "UninstallSucceeded";
    /// An uninstall failed.
    pub const UNINSTALL_FAILED: &str = "UninstallFailed";
    /// The release was left in the middle of an action.
    pub const PENDING_RELEASE: &str = "PendingRelease";
    /// No attempt is left.
    pub const RETRIES_EXCEEDED: &str = "RetriesExceeded";
    /// There is no release to go back to.
    pub const MISSING_ROLLBACK_TARGET: &str = "MissingRollbackTarget";
    /// Somebody else has changed objects of the release.
    pub const DRIFT_DETECTED: &str = "DriftDetected";
    /// Nobody else has changed objects of the release.
    pub const NO_DRIFT_DETECTED: &str = "NoDriftDetected";
    /// What somebody else had changed was put right.
    pub const DRIFT_CORRECTED: &str = "DriftCorrected";
    /// What somebody else had changed could not be put right.
    pub const DRIFT_CORRECTION_FAILED: &str = "DriftCorrectionFailed";
    /// The list of the release's objects could not be made.
    pub const INVENTORY_BUILD_FAILED: &str = "InventoryBuildFailed";
    /// It is not known of all kinds whether their objects live in namespaces.
    pub const NAMESPACE_CHECK_SKIPPED: &str = "NamespaceCheckSkipped";
}

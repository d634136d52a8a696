//! The requests that change Artifacts.

use artifact_crd::{ADAPTER_MANAGER, Artifact, ArtifactSpec, ArtifactStatus, GROUP, KIND, VERSION};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use crate::name::{MANAGED_BY, MANAGED_BY_VALUE};
use crate::{ObservedSource, SourceId};

/// Writes the content of an Artifact, with its owner and label, by server-side apply.
pub(crate) async fn apply(
    api: &Api<Artifact>,
    name: &str,
    id: &SourceId,
    source: &ObservedSource,
    spec: &ArtifactSpec,
) -> kube::Result<Artifact> {
    let body = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {
            "name": name,
            "labels": {MANAGED_BY: MANAGED_BY_VALUE},
            "ownerReferences": [{
                "apiVersion": source.api_version,
                "kind": id.kind.as_str(),
                "name": id.name,
                "uid": source.uid,
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    });
    api.patch(
        name,
        &PatchParams::apply(ADAPTER_MANAGER).force(),
        &Patch::Apply(&body),
    )
    .await
}

/// Writes the status of an Artifact by server-side apply.
pub(crate) async fn apply_status(
    api: &Api<Artifact>,
    name: &str,
    status: &ArtifactStatus,
) -> kube::Result<Artifact> {
    let body = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND, "metadata": {"name": name}, "status": status});
    api.patch_status(
        name,
        &PatchParams::apply(ADAPTER_MANAGER).force(),
        &Patch::Apply(&body),
    )
    .await
}

/// Deletes one incarnation of an Artifact; one that is gone, or another by now, is fine.
pub(crate) async fn delete(api: &Api<Artifact>, name: &str, uid: &str) -> kube::Result<()> {
    let preconditions = Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    };
    match api
        .delete(name, &DeleteParams::default().preconditions(preconditions))
        .await
    {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(|_| ()),
    }
}

//! The requests that change Artifacts.

use std::collections::BTreeMap;

use artifact_crd::{Artifact, ArtifactSpec, ArtifactStatus, GROUP, KIND, VERSION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use serde_json::json;

use crate::Owner;

/// Who writes Artifacts.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Field manager.
    pub manager: &'static str,
    /// Labels of what is written.
    pub labels: BTreeMap<String, String>,
}

impl Writer {
    /// Creates an Artifact that does not exist; unlike an apply, this takes over nothing that somebody else has just made.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn create(
        &self,
        api: &Api<Artifact>,
        name: &str,
        owner: &Owner,
        spec: &ArtifactSpec,
    ) -> kube::Result<Artifact> {
        let artifact = Artifact {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(self.labels.clone()),
                owner_references: Some(vec![owner.reference()]),
                ..ObjectMeta::default()
            },
            spec: spec.clone(),
            status: ArtifactStatus::default(),
        };
        let params = PostParams {
            field_manager: Some(self.manager.to_owned()),
            ..PostParams::default()
        };
        api.create(&params, &artifact).await
    }

    /// Writes the content of an Artifact, with its owner and labels, by server-side apply.
    ///
    /// # Errors
    /// What the API server answers; a conflict where `uid` is given and the Artifact has another one.
    pub async fn apply(
        &self,
        api: &Api<Artifact>,
        name: &str,
        uid: Option<&str>,
        owner: &Owner,
        spec: &ArtifactSpec,
    ) -> kube::Result<Artifact> {
        let mut body = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {"name": name, "labels": self.labels, "ownerReferences": [owner.reference()]},
            "spec": spec,
        });
        if let Some(uid) = uid {
            body["metadata"]["uid"] = uid.into();
        }
        let params = PatchParams::apply(self.manager).force();
        api.patch(name, &params, &Patch::Apply(&body)).await
    }

    /// Writes the status of an Artifact by server-side apply.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn apply_status(
        &self,
        api: &Api<Artifact>,
        name: &str,
        status: &ArtifactStatus,
    ) -> kube::Result<Artifact> {
        let body = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND, "metadata": {"name": name}, "status": status});
        let params = PatchParams::apply(self.manager).force();
        api.patch_status(name, &params, &Patch::Apply(&body)).await
    }
}

/// Deletes one incarnation of an Artifact; one that is gone, or another by now, is fine.
///
/// # Errors
/// What the API server answers.
pub async fn delete(api: &Api<Artifact>, name: &str, uid: &str) -> kube::Result<()> {
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

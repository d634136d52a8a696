//! The post-renderers of a HelmRelease.

use std::collections::BTreeMap;

use helm::PostRenderer;
use kustomize::{MemoryTree, Options, Profile};
use serde_json::{Value as Json, json};

/// What helm-controller does to every release, even to one without post-renderers: the manifests go through
/// kustomize, which sorts their keys, drops comments and prints scalars anew.
///
/// In this order: each step of `spec.postRenderers`, `spec.commonMetadata`, and the labels that name the HelmRelease.
#[derive(Debug, Clone, Default)]
pub struct FluxPostRenderer {
    /// The HelmRelease's name.
    pub name: String,
    /// The HelmRelease's namespace.
    pub namespace: String,
    /// The entries `kustomize` of `spec.postRenderers`.
    pub steps: Vec<KustomizeStep>,
    /// `spec.commonMetadata.labels`.
    pub common_labels: BTreeMap<String, String>,
    /// `spec.commonMetadata.annotations`.
    pub common_annotations: BTreeMap<String, String>,
    /// Bounds on the work of kustomize.
    pub limits: kustomize::Limits,
}

/// One entry `kustomize` of `spec.postRenderers`, in the form of the API.
#[derive(Debug, Clone, Default)]
pub struct KustomizeStep {
    /// Strategic merge and JSON patches, each with an optional `target`.
    pub patches: Vec<Json>,
    /// Image names, tags and digests to replace.
    pub images: Vec<Json>,
}

impl PostRenderer for FluxPostRenderer {
    fn run(&self, manifests: &str) -> Result<String, String> {
        let mut patched = None;
        for step in &self.steps {
            let before = patched.as_deref().unwrap_or(manifests);
            patched = Some(self.patch(step, before).map_err(|error| error.to_string())?);
        }
        let mut labels = self.common_labels.clone();
        for (key, value) in [("name", &self.name), ("namespace", &self.namespace)] {
            labels.insert(format!("helm.toolkit.fluxcd.io/{key}"), value.clone());
        }
        let stream = patched.as_deref().unwrap_or(manifests).as_bytes();
        kustomize::set_common_metadata(stream, &labels, &self.common_annotations, &self.limits)
            .map_err(|error| error.to_string())
    }
}

impl FluxPostRenderer {
    fn patch(&self, step: &KustomizeStep, manifests: &str) -> Result<String, kustomize::Error> {
        const INPUT: &str = "helm-output.yaml";
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [INPUT],
            "patches": step.patches,
            "images": step.images,
        });
        let tree = MemoryTree::new()
            .with("kustomization.yaml", kustomization.to_string())
            .with(INPUT, manifests);
        let options = Options {
            profile: Profile::Flux,
            limits: self.limits.clone(),
            ..Options::default()
        };
        kustomize::build(&tree, "", &options)?.to_yaml()
    }
}

//! What transformations refer to, and who is made of whom.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use artifact_consumer::{Access, ArtifactIndex, ReferenceError, SourceKey, resolve};
use artifact_crd::{Artifact, GROUP, TRANSFORMATION_KIND};
use controller_kit::ObjectKey;
use flux_api::CrossNamespaceSourceReference;
use flux_transform::spec::SourceReference;
use kube::ResourceExt;

use crate::decide::maker_of;
use crate::graph::Graph;
use crate::kind::Transformation;

/// Resolves a reference of a transformation.
pub(crate) fn source_key(
    reference: &SourceReference,
    transformation: &Transformation,
    access: &Access,
) -> Result<SourceKey, ReferenceError> {
    let namespace = transformation.namespace().unwrap_or_default();
    let reference = CrossNamespaceSourceReference {
        api_version: reference.api_version.clone().unwrap_or_default(),
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        namespace: reference.namespace.clone().unwrap_or_default(),
        ..CrossNamespaceSourceReference::default()
    };
    let annotations = Some(transformation.annotations());
    resolve(
        &reference,
        "spec.inputs[].sourceRef",
        &namespace,
        annotations,
        access,
    )
}

/// Everything that a transformation refers to: what can be resolved, and ConfigMaps.
pub(crate) fn referred(transformation: &Transformation, access: &Access) -> (Vec<SourceKey>, Vec<ObjectKey>) {
    let namespace = transformation.namespace().unwrap_or_default();
    let inputs = &transformation.spec.inputs;
    let sources = inputs.iter().filter_map(|input| input.source_ref.as_ref());
    let sources = sources.filter_map(|reference| source_key(reference, transformation, access).ok());
    let config_maps = inputs.iter().filter_map(|input| input.config_map.as_ref());
    let config_maps = config_maps.map(|config_map| ObjectKey::new(&namespace, &config_map.name));
    (sources.collect(), config_maps.collect())
}

/// The transformation that an Artifact says it belongs to, or that has made it; a name that is too long for a label is not known by
/// that.
pub(crate) fn owner_of(artifact: &Artifact) -> Option<ObjectKey> {
    let owner = artifact.owner_references().iter().find(|owner| {
        owner.kind == TRANSFORMATION_KIND && owner.api_version.split('/').next() == Some(GROUP)
    });
    let name = owner
        .map(|owner| owner.name.as_str())
        .or_else(|| maker_of(artifact))?;
    Some(ObjectKey::new(artifact.namespace().unwrap_or_default(), name))
}

/// Who is made of whom, by what transformations say, and by whose the Artifacts are.
pub(crate) fn graph(all: &[Arc<Transformation>], index: &ArtifactIndex, access: &Access) -> Graph {
    let mut makers: HashMap<ObjectKey, ObjectKey> = HashMap::new();
    for transformation in all {
        let key = ObjectKey::of(transformation.as_ref());
        for name in transformation
            .spec
            .outputs
            .iter()
            .filter_map(|output| output.name.as_ref())
        {
            makers.insert(ObjectKey::new(&key.namespace, name), key.clone());
        }
    }
    let edges = all.iter().map(|transformation| {
        let (sources, _) = referred(transformation, access);
        let before: BTreeSet<ObjectKey> = sources
            .into_iter()
            .filter_map(|source| {
                let named = ObjectKey::new(&source.namespace, &source.name);
                if source.group == GROUP && source.kind == TRANSFORMATION_KIND {
                    return Some(named);
                }
                match index.find(&source) {
                    Ok(artifact) => owner_of(artifact),
                    // What somebody is about to make.
                    Err(_) => makers.get(&named).filter(|_| source.is_artifact()).cloned(),
                }
            })
            .collect();
        (ObjectKey::of(transformation.as_ref()), before)
    });
    Graph::new(edges)
}

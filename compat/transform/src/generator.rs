//! source-watcher's ArtifactGenerator, turned into a transformation.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::check::check;
use crate::path::{ARTIFACT, Reference};
use crate::spec::{
    CommonMetadata, Copy, Discover, Input, OnNone, OriginUpdate, Output, SourceReference, Spec, Strategy,
};

/// Kind of the objects that are converted.
pub const GENERATOR: &str = "ArtifactGenerator";

/// The annotation by which a generator is switched off.
const RECONCILE: &str = "source.extensions.fluxcd.io/reconcile";
/// What kubectl keeps of what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object that was converted.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The `Transformation`, in the version that is given.
    pub object: Value,
    /// What is not quite the same afterwards.
    pub losses: Vec<String>,
}

/// Why an object cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// It is not an ArtifactGenerator as source-watcher has them.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// What it makes depends on a mistake of source-watcher.
    #[error(
        "artifact {0:?} has the name of a source, so that source-watcher copies that source into it as a whole; rename the alias, and copy what is wanted"
    )]
    SharedName(String),
    /// The name that outputs have here.
    #[error("a source is called {ARTIFACT:?}, which is the name of outputs here; rename the alias")]
    Reserved,
    /// What comes out would be refused.
    #[error("the transformation would be refused: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generator {
    #[serde(default)]
    common_metadata: Option<CommonMetadata>,
    sources: Vec<GeneratorSource>,
    #[serde(default)]
    path_pattern: String,
    artifacts: Vec<GeneratorArtifact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratorSource {
    alias: String,
    kind: String,
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GeneratorArtifact {
    name: String,
    #[serde(default)]
    revision: Option<String>,
    #[serde(default)]
    origin_revision: Option<String>,
    copy: Vec<GeneratorCopy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GeneratorCopy {
    from: String,
    to: String,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    strategy: Strategy,
}

/// Converts an ArtifactGenerator into a `Transformation` that makes the same files under the same names.
///
/// # Errors
/// See [`ConvertError`].
pub fn convert(object: &Value, api_version: &str, kind: &str) -> Result<Converted, ConvertError> {
    let spec = object.get("spec").cloned().unwrap_or_default();
    let generator: Generator =
        serde_json::from_value(spec).map_err(|error| ConvertError::Unreadable(error.to_string()))?;
    if generator.sources.iter().any(|source| source.alias == ARTIFACT) {
        return Err(ConvertError::Reserved);
    }
    let shared = generator.artifacts.iter().find(|artifact| {
        let mut sources = generator.sources.iter();
        sources.any(|source| source.alias == artifact.name)
    });
    if let Some(artifact) = shared {
        return Err(ConvertError::SharedName(artifact.name.clone()));
    }
    let mut losses = Vec::new();
    let mut metadata = metadata(object);
    let suspend = is_switched_off(&mut metadata);
    let spec = Spec {
        interval: None,
        timeout: None,
        suspend,
        inputs: inputs(generator.sources, &metadata, &mut losses),
        discover: discover(generator.path_pattern, &mut losses),
        outputs: generator
            .artifacts
            .into_iter()
            .map(|artifact| output(artifact, &mut losses))
            .collect(),
        common_metadata: generator.common_metadata,
    };
    check(&spec).map_err(|failure| ConvertError::Refused(failure.to_string()))?;
    // A specification that came out of JSON goes back into it.
    let spec = serde_json::to_value(&spec).unwrap_or_default();
    Ok(Converted {
        object: json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}),
        losses,
    })
}

/// What people wrote into the metadata.
fn metadata(object: &Value) -> Map<String, Value> {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "labels", "annotations"] {
        if let Some(value) = object.get("metadata").and_then(|metadata| metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    metadata
}

/// Takes the annotation out by which a generator is switched off, and tells whether it is.
fn is_switched_off(metadata: &mut Map<String, Value>) -> bool {
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else {
        return false;
    };
    annotations.remove(LAST_APPLIED);
    let marker = annotations.remove(RECONCILE);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    marker
        .and_then(|marker| marker.as_str().map(str::to_lowercase))
        .is_some_and(|marker| marker == "disabled")
}

fn inputs(
    sources: Vec<GeneratorSource>,
    metadata: &Map<String, Value>,
    losses: &mut Vec<String>,
) -> Vec<Input> {
    let own = metadata.get("namespace").and_then(Value::as_str);
    let input = |source: GeneratorSource| {
        if let Some(namespace) = source
            .namespace
            .as_deref()
            .filter(|namespace| Some(*namespace) != own)
        {
            losses.push(format!(
                "source {} is of namespace {namespace}: inputs of other namespaces are refused unless the controller is told to allow them",
                source.alias
            ));
        }
        Input {
            name: source.alias,
            source_ref: Some(SourceReference {
                api_version: None,
                kind: source.kind,
                name: source.name,
                namespace: source.namespace,
            }),
            config_map: None,
            optional: false,
        }
    };
    sources.into_iter().map(input).collect()
}

fn discover(pattern: String, losses: &mut Vec<String>) -> Option<Discover> {
    if pattern.is_empty() {
        return None;
    }
    losses.push("pathPattern has no limit in source-watcher; here there are at most 1000 matches".to_owned());
    Some(Discover {
        pattern,
        max: Some(1_000),
        on_none: OnNone::Empty,
        bare_capture_labels: true,
        ..Discover::default()
    })
}

fn output(artifact: GeneratorArtifact, losses: &mut Vec<String>) -> Output {
    let GeneratorArtifact {
        name,
        revision,
        origin_revision,
        copy,
    } = artifact;
    if let Some(revision) = &revision {
        losses.push(format!(
            "artifact {name}: revision {revision} begins with that of the source, and ends with the hash of the content instead of what follows there"
        ));
    }
    let copy = copy
        .into_iter()
        .map(|copy| self::copy(copy, &name, losses))
        .collect();
    Output {
        copy,
        ignore_defaults: true,
        revision,
        origin_update: if origin_revision.is_some() {
            OriginUpdate::Always
        } else {
            OriginUpdate::OnContentChange
        },
        origin: origin_revision,
        name: Some(name),
        ..Output::default()
    }
}

fn copy(copy: GeneratorCopy, artifact: &str, losses: &mut Vec<String>) -> Copy {
    let mut from = copy.from;
    if copy.strategy != Strategy::Extract
        && let Some(flat) = flat(&from)
    {
        losses.push(format!(
            "artifact {artifact}: {from} is written as {flat}, since source-watcher takes ** for one level; write it back if any depth was meant"
        ));
        from = flat;
    }
    Copy {
        from,
        to: copy.to,
        exclude: copy.exclude,
        strategy: copy.strategy,
        ..Copy::default()
    }
}

/// The glob with `*` for each `**` that has something behind it; nothing if there is none.
fn flat(from: &str) -> Option<String> {
    let reference = Reference::read(from)?;
    let components: Vec<_> = reference.path.split('/').collect();
    let (last, before) = components.split_last()?;
    if !before.contains(&"**") {
        return None;
    }
    let before = before
        .iter()
        .map(|component| if *component == "**" { "*" } else { component });
    let flat: Vec<_> = before.chain([*last]).collect();
    Some(format!("@{}/{}", reference.input, flat.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(spec: &Value, annotations: &Value) -> Result<Converted, ConvertError> {
        let object = json!({
            "apiVersion": "source.extensions.fluxcd.io/v1beta1", "kind": GENERATOR,
            "metadata": {"name": "g", "namespace": "apps", "uid": "1", "annotations": annotations},
            "spec": spec, "status": {"inventory": []},
        });
        convert(&object, "openfluxcd.ocm.software/v1alpha1", "Transformation")
    }

    #[test]
    fn a_generator_becomes_a_transformation_that_makes_the_same() {
        let spec = json!({
            "sources": [
                {"alias": "chart", "kind": "OCIRepository", "name": "podinfo-chart"},
                {"alias": "repo", "kind": "GitRepository", "name": "podinfo", "namespace": "other"},
            ],
            "artifacts": [{
                "name": "podinfo", "revision": "@chart", "originRevision": "@repo",
                "copy": [
                    {"from": "@chart/**", "to": "@artifact/", "exclude": ["*.md"]},
                    {"from": "@repo/charts/**/values.yaml", "to": "@artifact/podinfo/", "strategy": "Merge"},
                    {"from": "@repo/**/x.tgz", "to": "@artifact/", "strategy": "Extract"},
                ],
            }],
        });
        let result = converted(&spec, &json!({RECONCILE: "Disabled"})).expect("a transformation");
        let expected = json!({
            "apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "Transformation",
            "metadata": {"name": "g", "namespace": "apps"},
            "spec": {
                "suspend": true,
                "inputs": [
                    {"name": "chart", "sourceRef": {"kind": "OCIRepository", "name": "podinfo-chart"}},
                    {"name": "repo", "sourceRef": {"kind": "GitRepository", "name": "podinfo", "namespace": "other"}},
                ],
                "outputs": [{
                    "name": "podinfo", "revision": "@chart", "origin": "@repo", "originUpdate": "Always", "ignoreDefaults": true,
                    "copy": [
                        {"from": "@chart/**", "to": "@artifact/", "exclude": ["*.md"]},
                        {"from": "@repo/charts/*/values.yaml", "to": "@artifact/podinfo/", "strategy": "Merge"},
                        {"from": "@repo/**/x.tgz", "to": "@artifact/", "strategy": "Extract"},
                    ],
                }],
            },
        });
        assert_eq!(result.object, expected);
        assert_eq!(result.losses.len(), 3, "{:?}", result.losses);
    }

    #[test]
    fn patterns_are_discovered() {
        let spec = json!({
            "sources": [{"alias": "git", "kind": "GitRepository", "name": "fleet"}],
            "pathPattern": "@git/apps/{app}",
            "artifacts": [{"name": "{app}", "copy": [{"from": "@git/apps/{app}/**", "to": "@artifact/"}]}],
        });
        let result = converted(&spec, &json!({})).expect("a transformation");
        let expected =
            json!({"pattern": "@git/apps/{app}", "max": 1000, "onNone": "Empty", "bareCaptureLabels": true});
        assert_eq!(result.object["spec"]["discover"], expected);
    }

    #[test]
    fn what_would_come_out_otherwise_is_refused() {
        let of = |alias: &str, name: &str, from: &str| {
            let spec = json!({
                "sources": [{"alias": alias, "kind": "GitRepository", "name": "fleet"}],
                "artifacts": [{"name": name, "copy": [{"from": from, "to": "@artifact/"}]}],
            });
            converted(&spec, &json!({})).expect_err("a refusal").to_string()
        };
        assert!(of("git", "git", "@git/").contains("has the name of a source"));
        assert!(of("artifact", "a", "@artifact/").contains("rename the alias"));
        assert!(of("git", "a", "@other/").contains("would be refused"));
        let error = converted(&json!({"sources": [], "artifacts": [], "more": 1}), &json!({}));
        assert!(matches!(error, Err(ConvertError::Unreadable(_))));
    }
}

//! The CustomResourceDefinition of `Transformation`, whose specification the crate `flux-transform` reads.

use serde_json::{Value, json};

use crate::artifact::{GROUP, VERSION};
use crate::crd::{conditions, ready};

/// The kind.
pub const TRANSFORMATION_KIND: &str = "Transformation";
/// Plural name of the kind, as in request paths.
pub const TRANSFORMATION_PLURAL: &str = "transformations";

const DURATION: &str = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";
const ALIAS: &str = "^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$";
const INPUT: &str = "^@[a-z0-9]([a-z0-9_-]*[a-z0-9])?$";
const INPUT_PATH: &str = "^@[a-z0-9]([a-z0-9_-]*[a-z0-9])?/(.*)$";

/// Returns the CustomResourceDefinition of `Transformation`.
pub fn transformation_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{TRANSFORMATION_PLURAL}.{GROUP}"),
            "annotations": {"kustomize.toolkit.fluxcd.io/substitute": "disabled"},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": TRANSFORMATION_KIND,
                "listKind": format!("{TRANSFORMATION_KIND}List"),
                "plural": TRANSFORMATION_PLURAL,
                "singular": "transformation",
                "shortNames": ["xf"],
                "categories": ["all", "fluxcd", "openflux"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "Transformation makes Artifacts out of others.",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec(),
                        "status": status(),
                    },
                }},
            }],
        },
    })
}

fn columns() -> Value {
    json!([
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
        {"name": "Status", "type": "string", "jsonPath": ready("message")},
        {"name": "Suspended", "type": "boolean", "jsonPath": ".spec.suspend", "priority": 1},
        // A column shows one value.
        {"name": "Artifact", "type": "string", "jsonPath": ".status.outputs[0].artifactName", "priority": 1},
    ])
}

fn text(description: &str) -> Value {
    json!({"type": "string", "maxLength": 4096, "description": description})
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn texts(most: u32, description: &str) -> Value {
    json!({"type": "array", "maxItems": most, "description": description, "items": {"type": "string", "maxLength": 1024}})
}

fn map(description: &str) -> Value {
    json!({"type": "object", "description": description, "additionalProperties": {"type": "string"}})
}

fn one_of(values: &[&str], description: &str) -> Value {
    json!({"type": "string", "enum": values, "description": description})
}

fn metadata(description: &str) -> Value {
    json!({
        "type": "object", "description": description,
        "properties": {"labels": map("Labels."), "annotations": map("Annotations.")},
    })
}

fn spec() -> Value {
    json!({
        "type": "object",
        "description": "What is made, and of what.",
        "required": ["inputs", "outputs"],
        "properties": {
            "interval": {"type": "string", "pattern": DURATION, "description": "Pause between two checks that nothing was missed; 1h by default."},
            "timeout": {"type": "string", "pattern": DURATION, "description": "How long one run may take; 5m by default."},
            "suspend": flag("Whether nothing is built for the time being."),
            "inputs": {
                "type": "array", "minItems": 1, "maxItems": 1000,
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "description": "Everything that a build can see.",
                "items": input(),
            },
            "discover": discover(),
            "outputs": {
                "type": "array", "minItems": 1, "maxItems": 1000,
                "description": "The artifacts that are made.",
                "items": output(),
            },
            "commonMetadata": metadata("Labels and annotations of all artifacts."),
        },
    })
}

fn input() -> Value {
    json!({
        "type": "object",
        "required": ["name"],
        "x-kubernetes-validations": [{
            "rule": "has(self.sourceRef) != has(self.configMap)",
            "message": "an input is either a sourceRef or a configMap",
        }],
        "properties": {
            "name": {"type": "string", "maxLength": 63, "pattern": ALIAS, "description": "By what name it is referred to, as @name."},
            "sourceRef": {
                "type": "object", "description": "The object whose artifact it is.",
                "required": ["kind", "name"],
                "properties": {
                    "apiVersion": text("Its group and version; that of Flux's own sources by default."),
                    "kind": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Its kind."},
                    "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Its name."},
                    "namespace": {"type": "string", "maxLength": 63, "description": "Its namespace; that of the transformation by default."},
                },
            },
            "configMap": {
                "type": "object", "description": "The ConfigMap whose keys are its files.",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Its name."}},
            },
            "optional": flag("Whether it may be missing, and is then without files."),
        },
    })
}

fn discover() -> Value {
    json!({
        "type": "object",
        "description": "Makes the outputs templates, of which there is one set for each match.",
        "required": ["pattern"],
        "properties": {
            "pattern": {"type": "string", "maxLength": 1024, "pattern": INPUT_PATH, "description": "A path of an input, such as @git/apps/{app}."},
            "match": one_of(&["Directories", "Files"], "What the path is."),
            "max": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "How many matches there may be; 200 by default."},
            "onNone": one_of(&["Fail", "Empty"], "What becomes of no match at all."),
            "bareCaptureLabels": flag("Whether artifacts get a label of each name in the pattern too."),
        },
    })
}

fn output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Name of the Artifact; may be left out where there is one output."},
            "copy": {"type": "array", "maxItems": 1000, "description": "Copies out of inputs, in this order.", "items": copy()},
            "steps": {"type": "array", "maxItems": 50, "description": "What is then done to it, in this order.", "items": step()},
            "ignore": {"type": "string", "maxLength": 65536, "description": "Rules in the form of gitignore about what is left out in the end."},
            "ignoreDefaults": flag("Whether what stock leaves out of artifacts is left out."),
            "revision": {"type": "string", "maxLength": 64, "description": "What the revision begins with: a word, or @input for that of an input."},
            "origin": {"type": "string", "maxLength": 64, "pattern": INPUT, "description": "The input whose origin the artifact is said to have."},
            "originUpdate": one_of(&["OnContentChange", "Always"], "When that is written."),
            "labels": map("Labels of the Artifact."),
            "annotations": map("Annotations of the Artifact."),
        },
    })
}

fn copy() -> Value {
    json!({
        "type": "object",
        "required": ["from", "to"],
        "properties": {
            "from": {"type": "string", "maxLength": 1024, "pattern": INPUT_PATH, "description": "A path or a glob of an input."},
            "to": {"type": "string", "maxLength": 1024, "pattern": "^@artifact/(.*)$", "description": "A path of the artifact."},
            "exclude": texts(100, "Globs of what is left out."),
            "strategy": one_of(&["Overwrite", "Merge", "Extract"], "What becomes of a file that is there already."),
            "optional": flag("Whether there may be nothing to copy."),
            "stripPrefix": flag("Whether the directories before the first wildcard are left out of the paths."),
            "mergeInside": flag("Whether Merge also means files inside of directories that are copied."),
        },
    })
}

fn step() -> Value {
    let object = |description: &str, required: &[&str], properties: Value| json!({"type": "object", "description": description, "required": required, "properties": properties});
    let free = |description: &str| json!({"type": "object", "description": description, "x-kubernetes-preserve-unknown-fields": true});
    let list = |description: &str| {
        json!({
            "type": "array", "maxItems": 1000, "description": description,
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        })
    };
    let (to, keep) = (
        text("The file for the objects; manifests.yaml by default."),
        flag("Whether the other files stay."),
    );
    json!({
        "type": "object", "minProperties": 1, "maxProperties": 1,
        "properties": {
            "copy": copy(),
            "merge": object("Lays files of YAML or JSON over each other.", &["files", "to"], json!({
                "files": texts(1000, "The files; later ones over earlier ones."),
                "to": text("Where the result goes."),
                "nullDeletes": flag("Whether null takes a key away."),
            })),
            "extract": object("Unpacks archives.", &["path"], json!({
                "path": text("The archive, or a glob of archives."),
                "to": text("The directory for what is in them."),
                "keepArchive": flag("Whether the archives stay."),
                "optional": flag("Whether there may be no archive."),
            })),
            "remove": object("Removes files.", &["paths"], json!({"paths": texts(1000, "Globs of files and directories.")})),
            "move": object("Gives a file or a directory another path.", &["from", "to"], json!({
                "from": text("The path it has."),
                "to": text("The path that it gets."),
            })),
            "file": object("Writes a file.", &["path", "content"], json!({
                "path": text("Its path."),
                "content": {"type": "string", "maxLength": 262_144, "description": "What is in it."},
                "executable": flag("Whether it may be executed."),
            })),
            "kustomize": object("Builds a kustomization.", &[], json!({
                "path": text("Its directory."),
                "targetNamespace": text("Namespace of the objects."),
                "namePrefix": text("What names begin with."),
                "nameSuffix": text("What names end with."),
                "patches": list("Further patches."),
                "images": list("Further images."),
                "components": texts(1000, "Further components."),
                "ignoreMissingComponents": flag("Whether components may be missing."),
                "commonMetadata": metadata("Labels and annotations of all objects."),
                "to": to, "keep": keep,
            })),
            "helm": object("Renders a chart as helm template does.", &["path", "releaseName"], json!({
                "path": text("Its directory or archive."),
                "releaseName": {"type": "string", "minLength": 1, "maxLength": 53, "description": "Name of the release."},
                "namespace": text("Namespace of the release."),
                "values": free("Values, over those of all files."),
                "valuesFiles": texts(1000, "Files of values; later ones over earlier ones."),
                "includeCRDs": flag("Whether the chart's CustomResourceDefinitions come too; true by default."),
                "hooks": one_of(&["Keep", "Drop"], "What becomes of hooks."),
                "skipTests": flag("Whether tests are left out; true by default."),
                "kubeVersion": text("The version of Kubernetes that the chart sees."),
                "apiVersions": texts(1000, "Further API versions that the chart sees."),
                "now": text("The time that templates see, by RFC 3339."),
                "to": to, "keep": keep,
            })),
            "substitute": object("Puts values of variables into files.", &[], json!({
                "vars": map("Variables, over those of all inputs."),
                "varsFrom": texts(1000, "Inputs that are ConfigMaps, whose keys are variables."),
                "files": texts(1000, "Globs of the files; all of YAML by default."),
                "strict": flag("Whether variables that are not set are errors."),
            })),
            "chart": object("Makes a chart of a directory, and nothing else.", &["path"], json!({
                "path": text("The directory."),
                "valuesFiles": texts(1000, "Files of values that take the place of the chart's own."),
                "ignoreMissingValuesFiles": flag("Whether such files may be missing."),
            })),
        },
    })
}

fn status() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "What became of the transformation.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation that the conditions speak of."},
            "conditions": conditions("Ready: the artifacts are what the inputs make."),
            "lastHandledReconcileAt": text("The last request that was followed."),
            "inputs": {
                "type": "array", "description": "What the artifacts were made of.",
                "items": {"type": "object", "properties": {
                    "name": text("Its name in the specification."),
                    "key": text("The object that it is."),
                    "revision": text("Its revision."),
                    "digest": text("Its digest."),
                }},
            },
            "outputs": {
                "type": "array", "description": "The artifacts.",
                "items": {"type": "object", "properties": {
                    "artifactName": text("Name of the Artifact."),
                    "revision": text("Its revision."),
                    "digest": text("Its digest."),
                    "size": {"type": "integer", "format": "int64", "description": "Its size in bytes."},
                    "buildKey": text("What decided what came out."),
                    "failure": text("Why it could not be made anew."),
                }},
            },
        },
    })
}

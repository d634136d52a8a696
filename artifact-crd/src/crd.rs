//! The CustomResourceDefinition.

use serde_json::{Value, json};

use crate::artifact::{GROUP, KIND, PLURAL, VERSION};

/// Returns the CustomResourceDefinition of [`Artifact`](crate::Artifact).
///
/// Its `spec` accepts all that the CRD of Open Flux accepts from a working producer. It is a JSON value instead of a
/// typed one because the API server is the judge of its form: the end-to-end tests install it.
pub fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "artifact",
                "shortNames": ["art"],
                "categories": ["fluxcd", "openflux"],
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
                    "description": "Artifact says where the bytes of one revision of a source are.",
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
        {"name": "Revision", "type": "string", "jsonPath": ".spec.revision"},
        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
        {"name": "Updated", "type": "date", "jsonPath": ".spec.lastUpdateTime"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Status", "type": "string", "jsonPath": ready("message"), "priority": 1},
        {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
        {"name": "Digest", "type": "string", "jsonPath": ".spec.digest", "priority": 1},
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "priority": 1},
    ])
}

fn spec() -> Value {
    json!({
        "type": "object",
        "description": "The artifact that the producer offers.",
        "required": ["url", "revision", "lastUpdateTime"],
        "properties": {
            "url": {
                "type": "string",
                "maxLength": 4096,
                "description": "Absolute http or https address of the bytes.",
                "x-kubernetes-validations": [{
                    "rule": "self.startsWith('http://') || self.startsWith('https://')",
                    "message": "must be an absolute URL that begins with http:// or https://",
                }],
            },
            "revision": {
                "type": "string",
                "description": "What the producer calls this state: a commit, a tag, a version, a digest.",
            },
            "digest": {
                "type": "string",
                "pattern": "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
                "description": "Digest of the bytes as served, in the form algorithm:hex.",
            },
            "lastUpdateTime": {
                "type": "string",
                "format": "date-time",
                "description": "When the producer last changed the artifact.",
            },
            "size": {
                "type": "integer",
                "format": "int64",
                "description": "Size in bytes.",
                "x-kubernetes-validations": [{"rule": "self >= 0", "message": "must not be negative"}],
            },
            "metadata": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Upstream information, such as OCI annotations.",
            },
        },
    })
}

fn status() -> Value {
    json!({
        "type": "object",
        "description": "What is known about the artifact.",
        "properties": {
            "observedGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "The generation that the conditions speak of.",
            },
            "sourceGeneration": {
                "type": "integer",
                "format": "int64",
                "description": "The last generation of the source that was reconciled, and that SourceReady speaks of.",
            },
            "conditions": conditions("Ready: the source still offers the artifact. SourceReady: the source is up to date."),
        },
    })
}

/// Where a column finds a field of the condition `Ready`.
pub(crate) fn ready(field: &str) -> String {
    format!(".status.conditions[?(@.type==\"Ready\")].{field}")
}

/// A list of conditions.
pub(crate) fn conditions(description: &str) -> Value {
    json!({
        "type": "array",
        "description": description,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "message": {"type": "string", "maxLength": 32768},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                "type": {"type": "string", "maxLength": 316},
            },
        },
    })
}

//! The CustomResourceDefinition of `Http`.

use serde_json::{Value, json};

use crate::crd::{conditions, ready};
use crate::http::{HTTP_GROUP, HTTP_KIND, HTTP_PLURAL, HTTP_VERSION};

const DURATION: &str = "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$";
const DIGEST: &str = "^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}|blake3:[0-9a-f]{64})$";

/// Returns the CustomResourceDefinition of [`Http`](crate::Http), which takes every object of the reference implementation.
pub fn http_crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{HTTP_PLURAL}.{HTTP_GROUP}")},
        "spec": {
            "group": HTTP_GROUP,
            "names": {
                "kind": HTTP_KIND,
                "listKind": format!("{HTTP_KIND}List"),
                "plural": HTTP_PLURAL,
                "singular": "http",
                "categories": ["all", "fluxcd", "openflux"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": HTTP_VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "Http is something to download, which becomes an Artifact.",
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
        {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Ready", "type": "string", "jsonPath": ready("status")},
        {"name": "Status", "type": "string", "jsonPath": ready("message")},
        {"name": "Revision", "type": "string", "jsonPath": ".status.revision", "priority": 1},
        {"name": "Suspended", "type": "boolean", "jsonPath": ".spec.suspend", "priority": 1},
    ])
}

fn spec() -> Value {
    let url = |description: &str| json!({"type": "string", "maxLength": 2048, "pattern": "^https?://", "description": description});
    let reference = |description: &str| {
        json!({
            "type": "object", "description": description, "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 253}},
        })
    };
    let size = |description: &str| json!({"type": "integer", "format": "int64", "minimum": 1, "description": description});
    json!({
        "type": "object",
        "description": "What to download, how, and what to take of it.",
        "required": ["url"],
        "x-kubernetes-validations": [
            {"rule": "!(has(self.digest) && has(self.verify))", "message": "digest and verify exclude each other"},
            {"rule": "!has(self.content) || !has(self.content.fileName) || !has(self.content.type) || self.content.type in ['Auto', 'File']",
             "message": "content.fileName is for a body that is one file"},
            {"rule": "!has(self.content) || !has(self.content.type) || self.content.type != 'File' || !(has(self.content.stripComponents) || has(self.content.path) || has(self.content.include))",
             "message": "content.stripComponents, path and include are for archives"},
        ],
        "properties": {
            "url": url("Absolute http or https address, without user and password."),
            "interval": {"type": "string", "pattern": DURATION, "default": "10m", "description": "Pause between two looks."},
            "timeout": {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m))+$", "default": "60s", "description": "How long one look may take."},
            "suspend": {"type": "boolean", "description": "Whether nobody looks for the time being."},
            "secretRef": reference("Secret with username and password, bearerToken, or header.NAME for further headers."),
            "certSecretRef": reference("Secret with ca.crt, or tls.crt and tls.key."),
            "proxySecretRef": reference("Secret with the address of a proxy, and its username and password."),
            "digest": {"type": "string", "pattern": DIGEST, "description": "The digest that the body must have."},
            "verify": {
                "type": "object", "description": "How else the body is verified.",
                "properties": {"checksums": {
                    "type": "object", "required": ["url"], "description": "A list of check sums, as sha256sum writes it.",
                    "properties": {
                        "url": url("Where the list is."),
                        "file": {"type": "string", "minLength": 1, "maxLength": 255, "description": "The name in it; by default the last part of spec.url."},
                    },
                }},
            },
            "content": {
                "type": "object", "description": "What the body is, and what to take of it.",
                "properties": {
                    "type": {"type": "string", "enum": ["Auto", "Archive", "File", "Chart"], "description": "What the body is; Auto looks at its first bytes."},
                    "stripComponents": {"type": "integer", "minimum": 0, "maximum": 32, "description": "Components that are cut off each path."},
                    "path": {"type": "string", "maxLength": 1024, "description": "The directory that becomes the root."},
                    "include": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1, "maxLength": 512}, "description": "Globs, one of which a path has to match."},
                    "fileName": {"type": "string", "maxLength": 255, "pattern": "^[^/\\\\]+$", "description": "Name of a body that is one file."},
                },
            },
            "ignore": {"type": "string", "maxLength": 65536, "description": "Rules in the form of gitignore about what to leave out."},
            "maxSize": size("The longest body in bytes, if the controller allows as much."),
            "maxUnpackedSize": size("The longest body in bytes once it is unpacked, if the controller allows as much."),
            "redirects": {"type": "string", "enum": ["Follow", "SameHost", "None"], "description": "Which redirects are followed."},
        },
    })
}

fn status() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    json!({
        "type": "object",
        "description": "What became of the source.",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation that the conditions speak of."},
            "conditions": conditions("Ready: the Artifact is what the server offers."),
            "lastHandledReconcileAt": text("The last request for a look that was followed."),
            "artifactName": text("Name of the Artifact."),
            "revision": text("Revision of the Artifact."),
            "token": text("What the source calls this state."),
            "upstream": {
                "type": "object", "description": "What the server said about what is stored.",
                "properties": {"digest": text("Digest of the body."), "etag": text("Its ETag."), "lastModified": text("Its time.")},
            },
            "lastAppliedRevision": text("Not written any more."),
            "lastAttemptedRevision": text("Not written any more."),
        },
    })
}

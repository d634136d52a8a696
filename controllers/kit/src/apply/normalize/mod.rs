//! What Flux changes in an object before it applies it (fluxcd/pkg/ssa `normalize`).
//!
//! An object of a built-in kind goes through its Go type: [`convert`] does so by a generated [`table`] of these types.
//! An object that does not fit its type stays as it is, for the API server to refuse.

mod convert;
mod quantity;
mod table;
mod time;

use base64::Engine;
use serde_json::{Map, Value};

use crate::object;
use crate::ownership::markers;

/// A Secret that still holds ciphertext and must not reach the cluster.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled")]
pub struct SopsEncrypted {
    /// The object.
    pub subject: String,
}

/// Tells whether an object is a Secret that still holds ciphertext; one whose decryption is marked as disabled may.
pub fn encrypted(object: &Value) -> Option<SopsEncrypted> {
    let is_secret = (object::api_version(object), object::kind(object)) == ("v1", "Secret");
    if !is_secret || object.get("sops").is_none() {
        return None;
    }
    let annotations = object::metadata_map(object, "annotations");
    let decrypt = annotations.and_then(|all| all.get(markers::DECRYPT)?.as_str());
    let is_disabled = decrypt.is_some_and(|decrypt| decrypt.eq_ignore_ascii_case("disabled"));
    (!is_disabled).then(|| SopsEncrypted {
        subject: object::Subject(&object::id_of(object)).to_string(),
    })
}

/// What became of an object on the way through its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Normalized {
    /// It came back.
    Typed {
        /// The paths of fields that the kind does not have, which are gone.
        unknown: Vec<String>,
    },
    /// It has no Go type, or does not fit it.
    Untyped,
}

/// Brings `object` into the form that is applied.
///
/// Objects of built-in kinds lose what their types do not know and the zero values that these do not write, and get
/// those that they always write. Ports get their protocol, `stringData` of Secrets moves into `data`, `status` is
/// dropped but for CRDs, and a CA bundle that no API server would take is dropped from CRDs. Roles and `ClusterRoles`
/// are left alone, as a field that is misspelt there must be refused and not dropped.
///
/// # Errors
/// A Secret encrypted by SOPS, unless its decryption is marked as disabled. It is looked for first, because
/// upstream's conversion can drop the `sops` block and let the ciphertext through.
pub fn normalize(object: &mut Value) -> Result<Normalized, SopsEncrypted> {
    if let Some(encrypted) = encrypted(object) {
        return Err(encrypted);
    }
    let (api_version, kind) = (
        object::api_version(object).to_owned(),
        object::kind(object).to_owned(),
    );
    let kind = (api_version.as_str(), kind.as_str());
    if let ("rbac.authorization.k8s.io/v1", "Role" | "ClusterRole") = kind {
        return Ok(Normalized::Untyped);
    }
    let Some(fields) = object.as_object_mut() else {
        return Ok(Normalized::Untyped);
    };
    let normalized = round_trip(fields, kind);
    let metadata = fields.entry("metadata").or_insert_with(|| Map::new().into());
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("creationTimestamp".to_owned(), Value::Null);
    }
    if kind.1 == "CustomResourceDefinition" && kind.0.starts_with("apiextensions.k8s.io/") {
        drop_unusable_ca_bundle(object);
    } else {
        fields.remove("status");
    }
    Ok(normalized)
}

/// Passes an object through its Go type.
fn round_trip(object: &mut Map<String, Value>, kind: (&str, &str)) -> Normalized {
    let converted = table::fields_of_kind(kind.0, kind.1).map(|fields| convert::convert(object, fields));
    let Some(Ok(converted)) = converted else {
        return Normalized::Untyped;
    };
    *object = converted.fields;
    if kind == ("v1", "Secret") {
        fold_string_data(object);
    }
    if let Some(spec) = object.get_mut("spec") {
        match kind {
            ("v1", "Service") => default_protocols(spec.get_mut("ports")),
            ("v1", "Pod") => default_container_protocols(Some(spec)),
            ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch/v1", "Job") => {
                default_container_protocols(spec.pointer_mut("/template/spec"));
            }
            ("batch/v1", "CronJob") => {
                default_container_protocols(spec.pointer_mut("/jobTemplate/spec/template/spec"));
            }
            _ => {}
        }
    }
    Normalized::Typed {
        unknown: converted.unknown,
    }
}

fn fold_string_data(secret: &mut Map<String, Value>) {
    let Some(Value::Object(plain)) = secret.remove("stringData") else {
        return;
    };
    let data = secret.entry("data").or_insert_with(|| Map::new().into());
    let Some(data) = data.as_object_mut() else { return };
    for (key, value) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, Value::String(encoded));
    }
}

fn default_container_protocols(pod: Option<&mut Value>) {
    let containers = pod.and_then(|pod| pod.get_mut("containers")?.as_array_mut());
    for container in containers.into_iter().flatten() {
        default_protocols(container.get_mut("ports"));
    }
}

fn default_protocols(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            // An empty one was left out on the way through the type.
            port.entry("protocol").or_insert_with(|| "TCP".into());
        }
    }
}

/// Charts ship placeholder bundles that an injector replaces later; the API server refuses them.
fn drop_unusable_ca_bundle(crd: &mut Value) {
    let Some(Value::Object(config)) = crd.pointer_mut("/spec/conversion/webhook/clientConfig") else {
        return;
    };
    let usable = match config.get("caBundle") {
        None => true,
        Some(Value::String(bundle)) => bundle.is_empty() || is_pem(bundle),
        Some(_) => false,
    };
    if !usable {
        config.remove("caBundle");
    }
}

fn is_pem(bundle: &str) -> bool {
    let decoded = base64::engine::general_purpose::STANDARD.decode(bundle);
    decoded.is_ok_and(|pem| String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The cases cover what is recorded from stock; here is what is decided differently, or beside it.
    #[test]
    fn ciphertext_is_refused_even_in_string_data() {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"},
            "stringData": {"a": "ENC[...]"}, "sops": {"mac": "x"}});
        assert_eq!(
            normalize(&mut secret),
            Err(SopsEncrypted {
                subject: "Secret/n/s".into()
            })
        );
        secret["metadata"]["annotations"] = json!({markers::DECRYPT: "Disabled"});
        assert!(normalize(&mut secret).is_ok());
    }

    #[test]
    fn definitions_keep_their_status_and_lose_an_unusable_bundle() {
        let crd = |config: Value| {
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": {},
                "metadata": {"creationTimestamp": null},
                "spec": {"conversion": {"webhook": {"clientConfig": config}}}})
        };
        for (given, expected) in [
            (json!({"caBundle": "Cg=="}), json!({})),
            (json!({"caBundle": ""}), json!({"caBundle": ""})),
        ] {
            let mut given = crd(given);
            assert_eq!(normalize(&mut given), Ok(Normalized::Untyped));
            assert_eq!(given, crd(expected));
        }
    }

    #[test]
    fn fields_that_a_kind_does_not_have_are_named() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "anotations": {}},
            "spec": {"replica": 1, "template": {"spec": {"containers": [{"name": "a"}, {"imagePullPolic": "Always"}]}}}});
        let unknown = [
            "metadata.anotations",
            "spec.template.spec.containers[1].imagePullPolic",
            "spec.replica",
        ];
        assert_eq!(
            normalize(&mut object),
            Ok(Normalized::Typed {
                unknown: unknown.map(str::to_owned).to_vec()
            })
        );
    }
}

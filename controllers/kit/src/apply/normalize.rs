//! What Flux changes in an object before it applies it (fluxcd/pkg/ssa `normalize`).

use base64::Engine;
use serde_json::{Map, Value};

use super::markers;
use crate::object::{self, split_api_version};

/// A Secret that still holds ciphertext and must not reach the cluster.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled")]
pub struct SopsEncrypted {
    /// The object.
    pub subject: String,
}

/// Brings `object` into the form that is applied.
///
/// Ports get their protocol, `stringData` of Secrets moves into `data`, `status` is dropped but for CRDs, and a CA
/// bundle that no API server would take is dropped from CRDs.
///
/// # Errors
/// A Secret encrypted by SOPS, unless its decryption is marked as disabled. It is looked for first, because
/// upstream's conversion can drop the `sops` block and let the ciphertext through.
pub fn normalize(object: &mut Value) -> Result<(), SopsEncrypted> {
    let (group, kind) = {
        let (group, _) = split_api_version(object::api_version(object));
        (group.to_owned(), object::kind(object).to_owned())
    };
    match (group.as_str(), kind.as_str()) {
        ("", "Secret") => {
            if object.get("sops").is_some() && !object::has_marker(object, markers::DECRYPT, "disabled") {
                return Err(SopsEncrypted {
                    subject: object::Subject(&object::id_of(object)).to_string(),
                });
            }
            fold_string_data(object);
        }
        ("", "Service") => default_protocols(object.pointer_mut("/spec/ports")),
        ("", "Pod") => default_container_protocols(object.pointer_mut("/spec/containers")),
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") => {
            default_container_protocols(object.pointer_mut("/spec/template/spec/containers"));
        }
        ("batch", "CronJob") => {
            default_container_protocols(
                object.pointer_mut("/spec/jobTemplate/spec/template/spec/containers"),
            );
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            drop_unusable_ca_bundle(object);
            return Ok(());
        }
        _ => {}
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    Ok(())
}

fn fold_string_data(secret: &mut Value) {
    let Some(secret) = secret.as_object_mut() else {
        return;
    };
    let Some(Value::Object(plain)) = secret.remove("stringData") else {
        return;
    };
    let data = secret.entry("data").or_insert(Value::Null);
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Some(data) = data.as_object_mut() else { return };
    for (key, value) in plain {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        data.insert(key, Value::String(encoded));
    }
}

fn default_container_protocols(containers: Option<&mut Value>) {
    for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
        default_protocols(container.get_mut("ports"));
    }
}

fn default_protocols(ports: Option<&mut Value>) {
    for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            let protocol = port.entry("protocol").or_insert(Value::Null);
            if protocol.is_null() || protocol.as_str() == Some("") {
                *protocol = Value::String("TCP".into());
            }
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

    #[track_caller]
    fn check(mut object: Value, expected: &Value) {
        normalize(&mut object).unwrap();
        assert_eq!(object, *expected);
    }

    #[test]
    fn ports_get_a_protocol() {
        let service = |port: Value| json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [port]}});
        check(
            service(json!({"port": 1})),
            &service(json!({"port": 1, "protocol": "TCP"})),
        );
        check(
            service(json!({"port": 1, "protocol": "UDP"})),
            &service(json!({"port": 1, "protocol": "UDP"})),
        );
        let deployment = |port: Value| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "spec": {"template": {"spec": {"containers": [{"ports": [port]}], "initContainers": [{"ports": [{}]}]}}}})
        };
        check(
            deployment(json!({"containerPort": 1})),
            &deployment(json!({"containerPort": 1, "protocol": "TCP"})),
        );
    }

    #[test]
    fn string_data_wins_over_data() {
        check(
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}, "stringData": {"a": "y", "b": "z"}}),
            &json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eQ==", "b": "eg=="}}),
        );
    }

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
        assert_eq!(normalize(&mut secret), Ok(()));
    }

    #[test]
    fn status_goes_but_for_definitions() {
        check(
            json!({"apiVersion": "v1", "kind": "Namespace", "status": {"phase": "Active"}}),
            &json!({"apiVersion": "v1", "kind": "Namespace"}),
        );
        let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": {}});
        check(crd.clone(), &crd);
        let bundled = |config: Value| {
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "spec": {"conversion": {"webhook": {"clientConfig": config}}}})
        };
        check(bundled(json!({"caBundle": "Cg=="})), &bundled(json!({})));
        check(
            bundled(json!({"caBundle": ""})),
            &bundled(json!({"caBundle": ""})),
        );
    }
}

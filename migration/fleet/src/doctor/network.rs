//! Whether network policies let our pods reach those of Flux.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_core::{ResourceExt, Selector, SelectorExt};

use super::facts::name;
use super::{Facts, Finding};

/// The controllers that ours connects to, each with the name and number of the port.
const SERVERS: [(&str, &str, i32); 2] = [
    ("source-controller", "http", 9090),
    ("notification-controller", "http", 9090),
];

type Labels = BTreeMap<String, String>;

/// Pods, as policies see them.
struct Pods {
    namespace: String,
    namespace_labels: Labels,
    labels: Labels,
}

pub(super) fn reaches(facts: &Facts) -> Vec<Finding> {
    let (policies, namespaces) = match (&facts.network, &facts.namespaces) {
        (Ok(policies), Ok(namespaces)) => (policies, namespaces),
        (Err(why), _) | (_, Err(why)) => return vec![Finding::unknown(why)],
    };
    let pods = |deployment: &Deployment| {
        let namespace = deployment.namespace().unwrap_or_default();
        let known = namespaces.iter().find(|known| known.name_any() == namespace);
        let template = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.template.metadata.as_ref());
        Pods {
            namespace_labels: known.map(|known| known.labels().clone()).unwrap_or_default(),
            namespace,
            labels: template.and_then(|meta| meta.labels.clone()).unwrap_or_default(),
        }
    };
    let mut findings = Vec::new();
    for (client, _) in facts.ours() {
        for (controller, port, number) in SERVERS {
            let servers = facts.world.stock.iter().filter(|deployment| {
                let component = deployment.labels().get("app.kubernetes.io/component");
                deployment.name_any() == controller || component.is_some_and(|name| name == controller)
            });
            for server in servers {
                let refused_by = refused_by(policies, &pods(client), &pods(server), (port, number));
                if let Some(policy) = refused_by {
                    findings.push(
                        Finding::failure(format!("{} may not reach {}", name(client), name(server)))
                            .detail(format!("network policy {policy}"))
                            .fix(
                                "install our controller into the namespace of Flux, or allow its pods there",
                            ),
                    );
                }
            }
        }
    }
    findings
}

/// The policy that keeps `client` from `server`, if one does.
fn refused_by(policies: &[NetworkPolicy], client: &Pods, server: &Pods, port: (&str, i32)) -> Option<String> {
    let of = |pods: &Pods, direction: &str| {
        policies
            .iter()
            .filter(|policy| policy.namespace().as_deref() == Some(pods.namespace.as_str()))
            .filter(|policy| is_for(policy, pods, direction))
            .collect::<Vec<_>>()
    };
    let key =
        |policy: &NetworkPolicy| format!("{}/{}", policy.namespace().unwrap_or_default(), policy.name_any());
    let ingress = of(server, "Ingress");
    let lets_in = |policy: &&NetworkPolicy| {
        let rules = policy.spec.as_ref().and_then(|spec| spec.ingress.as_ref());
        rules.into_iter().flatten().any(|rule| {
            has_peer(rule.from.as_deref(), &server.namespace, client) && has_port(rule.ports.as_deref(), port)
        })
    };
    if !ingress.is_empty() && !ingress.iter().any(lets_in) {
        return ingress.first().map(|policy| key(policy));
    }
    let egress = of(client, "Egress");
    let lets_out = |policy: &&NetworkPolicy| {
        let rules = policy.spec.as_ref().and_then(|spec| spec.egress.as_ref());
        rules.into_iter().flatten().any(|rule| {
            has_peer(rule.to.as_deref(), &client.namespace, server) && has_port(rule.ports.as_deref(), port)
        })
    };
    if !egress.is_empty() && !egress.iter().any(lets_out) {
        return egress.first().map(|policy| key(policy));
    }
    None
}

fn is_for(policy: &NetworkPolicy, pods: &Pods, direction: &str) -> bool {
    let Some(spec) = &policy.spec else { return false };
    let types = spec.policy_types.clone().unwrap_or_else(|| {
        // As the API has it: ingress always, egress where there are rules for it.
        let egress = spec.egress.is_some().then(|| "Egress".to_owned());
        std::iter::once("Ingress".to_owned()).chain(egress).collect()
    });
    let selects = spec
        .pod_selector
        .as_ref()
        .is_none_or(|selector| matches(selector, &pods.labels));
    selects && types.iter().any(|kind| kind == direction)
}

fn has_peer(peers: Option<&[NetworkPolicyPeer]>, own_namespace: &str, other: &Pods) -> bool {
    let Some(peers) = peers.filter(|peers| !peers.is_empty()) else {
        return true;
    };
    peers.iter().any(|peer| {
        if peer.ip_block.is_some() {
            // Addresses of pods are not known here; a block that allows them is taken at its word.
            return true;
        }
        let in_namespace = match &peer.namespace_selector {
            Some(selector) => matches(selector, &other.namespace_labels),
            None => other.namespace == own_namespace,
        };
        let is_pod = peer
            .pod_selector
            .as_ref()
            .is_none_or(|selector| matches(selector, &other.labels));
        in_namespace && is_pod
    })
}

fn has_port(ports: Option<&[NetworkPolicyPort]>, (name, number): (&str, i32)) -> bool {
    let Some(ports) = ports.filter(|ports| !ports.is_empty()) else {
        return true;
    };
    ports.iter().any(|port| {
        port.protocol.as_deref().unwrap_or("TCP") == "TCP"
            && match &port.port {
                None => true,
                Some(IntOrString::String(wanted)) => wanted == name,
                Some(IntOrString::Int(from)) => (*from..=port.end_port.unwrap_or(*from)).contains(&number),
            }
    })
}

fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    // One that cannot be read selects nothing, as the API server has it.
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pods(namespace: &str, app: &str) -> Pods {
        let labels = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        Pods {
            namespace: namespace.to_owned(),
            namespace_labels: labels("kubernetes.io/metadata.name", namespace),
            labels: labels("app", app),
        }
    }

    fn refused(namespace: &str, policies: Value) -> bool {
        let policies: Vec<NetworkPolicy> = serde_json::from_value(policies).unwrap();
        let client = pods(namespace, "openflux-controller");
        let server = pods("flux-system", "source-controller");
        refused_by(&policies, &client, &server, ("http", 9090)).is_some()
    }

    fn policy(spec: &Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "flux-system"}, "spec": spec})
    }

    #[test]
    fn the_policies_of_flux_let_in_its_own_namespace_alone() {
        // As `flux install --export` has them.
        let flux = || {
            json!([
                policy(
                    &json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{}],
                    "ingress": [{"from": [{"podSelector": {}}]}]})
                ),
                policy(&json!({"podSelector": {}, "policyTypes": ["Ingress"],
                    "ingress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": 8080, "protocol": "TCP"}]}]})),
            ])
        };
        assert!(!refused("flux-system", flux()));
        assert!(refused("openflux", flux()));
        assert!(!refused("openflux", json!([])));
    }

    #[test]
    fn rules_are_read_as_kubernetes_reads_them() {
        let from = |peer: Value, ports: Value| {
            refused(
                "openflux",
                json!([policy(
                    &json!({"podSelector": {"matchLabels": {"app": "source-controller"}},
                "ingress": [{"from": [peer], "ports": ports}]})
                )]),
            )
        };
        let ours = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openflux"}},
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["openflux-controller"]}]}});
        assert!(!from(ours.clone(), json!([{"port": "http"}])));
        assert!(!from(ours.clone(), json!([{"port": 9000, "endPort": 9100}])));
        assert!(from(ours.clone(), json!([{"port": 8080}])));
        assert!(from(ours, json!([{"port": 9090, "protocol": "UDP"}])));
        assert!(from(json!({"podSelector": {}}), json!([])));
        let none = json!([policy(&json!({"podSelector": {}}))]);
        assert!(refused("flux-system", none));
    }
}

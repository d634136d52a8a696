//! Who leads stock's controllers: another than before, where one was started anew.
//!
//! A controller that starts reads all objects and begins a run of each. Which it has read before they were labelled, nobody says;
//! but that it has started is seen by its Lease, and without one by its pods.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::core::Selector;
use kube::{Api, Client, ResourceExt as _};

use crate::cluster::list;

/// Says who leads the controllers of this name beside a Deployment, and which pods that has; what may not be read is left out.
pub(crate) async fn leaders(client: &Client, deployment: &str, controller: &str) -> BTreeSet<String> {
    let (namespace, name) = deployment.split_once('/').unwrap_or(("", deployment));
    let mut leaders = BTreeSet::new();
    let leases = list::<Lease>(client, Some(namespace), None).await;
    leaders.extend(
        leases
            .iter()
            .flatten()
            .filter_map(|lease| leader(lease, controller)),
    );
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let selector = match api.get_opt(name).await {
        Ok(found) => found.and_then(|found| found.spec).map(|spec| spec.selector),
        Err(_) => None,
    };
    let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
    if let Some(selector) = selector.filter(|selector| !selector.selects_all()) {
        let pods = list::<Pod>(client, Some(namespace), Some(&selector.to_string())).await;
        leaders.extend(pods.iter().flatten().map(instance));
    }
    leaders
}

/// Who has a Lease of a controller, and since when; nothing if it is another's.
fn leader(lease: &Lease, controller: &str) -> Option<String> {
    let name = lease.metadata.name.as_deref()?;
    let is_of = name
        .strip_prefix(controller)
        .is_some_and(|rest| rest.starts_with("-leader-election"));
    let spec = lease.spec.as_ref().filter(|_| is_of)?;
    let since = spec.acquire_time.as_ref().map(|time| time.0.to_string());
    Some(format!(
        "{name} {} {}",
        spec.holder_identity.as_deref().unwrap_or_default(),
        since.unwrap_or_default()
    ))
}

/// A pod, and how often its containers were started.
fn instance(pod: &Pod) -> String {
    let containers = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    let starts: i32 = containers.map(|container| container.restart_count).sum();
    format!("{} {starts}", pod.uid().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn another_start_is_another_leader() {
        let lease = |name: &str, holder: &str| -> Lease {
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"holderIdentity": holder}}))
                .unwrap()
        };
        let of = |name: &str, holder: &str| leader(&lease(name, holder), "kustomize-controller");
        let name = "kustomize-controller-leader-election";
        assert!(of(name, "pod_1").is_some());
        assert_eq!(of(name, "pod_1"), of(name, "pod_1"));
        assert_ne!(of(name, "pod_1"), of(name, "pod_2"));
        // Its selector is part of the name.
        assert!(of("kustomize-controller-leader-election-1a2b3c4d", "pod_1").is_some());
        assert_eq!(of("helm-controller-leader-election", "pod_1"), None);
        let pod = |starts: i32| -> Pod {
            let containers = json!([{"name": "manager", "image": "i", "imageID": "i", "ready": true, "restartCount": starts}]);
            serde_json::from_value(
                json!({"metadata": {"uid": "1"}, "status": {"containerStatuses": containers}}),
            )
            .unwrap()
        };
        assert_ne!(instance(&pod(0)), instance(&pod(1)));
    }
}

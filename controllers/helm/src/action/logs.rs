//! The logs of hooks, which go to the log of the controller if the chart asks for that.

use controller_kit::object::name;
use controller_kit::{Ask, Mapping, RestError};
use helm::release::{Hook, Phase};
use http::Method;
use serde_json::Value;

use super::Actions;

/// The most bytes that are read of the log of a container.
const MAX_BYTES: usize = 64 << 10;

/// The most Pods whose logs are read.
const MAX_PODS: usize = 10;

impl Actions<'_> {
    /// Writes the logs of the Pods of a hook, if it is to be done after a run that ended like that.
    pub(super) async fn output_logs(&self, hook: &Hook, namespace: &str, phase: &Phase) {
        if !hook.shows_logs(phase) {
            return;
        }
        let selector = match hook.kind.as_str() {
            "Job" => format!("labelSelector=job-name%3D{}", hook.name),
            "Pod" => format!("fieldSelector=metadata.name%3D{}", hook.name),
            _ => return,
        };
        if let Err(error) = self
            .read_logs(hook, &selector, &namespace_of(hook, namespace))
            .await
        {
            tracing::warn!(hook = hook.path, %error, "the log of a hook could not be read");
        }
    }

    async fn read_logs(&self, hook: &Hook, selector: &str, namespace: &str) -> Result<(), RestError> {
        let rest = &self.cluster.rest;
        let path = format!("{}?{selector}&limit={MAX_PODS}", pods().collection(namespace));
        let list = rest.ask(&Ask::new(Method::GET, &path)).await?;
        let items = list.get("items").and_then(Value::as_array);
        for pod in items.into_iter().flatten() {
            let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
            let containers = containers.into_iter().flatten();
            for container in containers.filter_map(|container| container.get("name")?.as_str()) {
                let path = format!(
                    "{}/log?container={container}&limitBytes={MAX_BYTES}",
                    pods().path(namespace, name(pod))
                );
                let text = rest.text(&path).await?;
                tracing::info!(
                    hook = hook.path,
                    namespace,
                    pod = name(pod),
                    container,
                    output = text.trim_end(),
                    "hook output"
                );
            }
        }
        Ok(())
    }
}

/// Where the objects of a hook are.
fn namespace_of(hook: &Hook, namespace: &str) -> String {
    let wanted = |key: &str| key == "metadata";
    let read = go_yaml::sigs::to_value_of(hook.manifest.as_bytes(), wanted, &go_yaml::Limits::default());
    let own = read
        .ok()
        .map(|object| controller_kit::object::namespace(&object).to_owned());
    own.filter(|own| !own.is_empty())
        .unwrap_or_else(|| namespace.to_owned())
}

fn pods() -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
        namespaced: true,
    }
}

//! Objects that cannot become what they should be: refused, left alone, or recreated.
//!
//! Upstream deletes an object on any validation error when `force` is set, and may then fail to create it
//! (kustomize-controller #734). Here the API server is asked first whether it would take the object as a new one: it is
//! created by dry-run under its own name, which gets through all validation and admission before the server notices
//! that the name is taken. A trial under another name would fail where names are bound to content, or are long.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::ApplyError;
use super::engine::{Applier, ApplyOptions, Mode};
use super::plan::{Planned, Step, is_ignored};
use crate::object::{has_marker, id_of, metadata_text, resource_version};
use crate::ownership::markers;
use crate::rest::{RestError, Seen};

/// How often to look whether an object that was deleted is gone.
const LOOK: Duration = Duration::from_millis(500);

/// How long a quota may go on counting an object that is gone.
const QUOTA_LAG: Duration = Duration::from_secs(10);

impl Applier<'_> {
    /// Decides about an object that was refused: a marker on the live object makes that no error, and one that has to
    /// be recreated is, if that is wanted and if it can be created again.
    pub(super) async fn refused(
        &self,
        mut item: Planned,
        options: ApplyOptions,
        source: RestError,
    ) -> Result<Planned, ApplyError> {
        let asked = options.force || has_marker(&item.object, markers::FORCE, "enabled");
        let may_carry_marker = self.live_state(&item).is_none_or(|live| live.has_markers);
        if source.is_of_system() || !(asked || may_carry_marker) {
            return Err(ApplyError::dry_run(item.id, source));
        }
        // Whoever may not change an object may not read it either, perhaps, which is not what is to be told then.
        let live = match self.read(&item).await {
            Ok(Some(live)) => live,
            Err(error) if error.is_of_system() => return Err(error),
            Ok(None) | Err(_) => return Err(ApplyError::dry_run(item.id, source)),
        };
        if is_ignored(&live) {
            item.id = id_of(&live);
            item.step = Step::Skip;
            return Ok(item);
        }
        let stands_in_the_way = matches!(source.code(), Some(409 | 422)) || source.is_immutable();
        let forced = asked || has_marker(&live, markers::FORCE, "enabled");
        if !(forced && stands_in_the_way) {
            return Err(ApplyError::dry_run(item.id, source));
        }
        if self.is_home(&item) {
            return Err(ApplyError::Home { id: item.id, source });
        }
        match self.try_as_new(&item, &live).await {
            Ok(()) => {
                item.step = Step::Recreate {
                    uid: metadata_text(&live, "uid").to_owned(),
                    version: resource_version(&live).to_owned(),
                };
                Ok(item)
            }
            Err(trial) if trial.is_of_system() => Err(ApplyError::dry_run(item.id, trial)),
            Err(trial) => Err(ApplyError::NotRecreatable {
                id: item.id,
                source,
                trial,
            }),
        }
    }

    /// Tells whether an object is the namespace that the controller runs in.
    fn is_home(&self, item: &Planned) -> bool {
        item.mapping.group.is_empty()
            && item.mapping.kind == "Namespace"
            && item.id.name == self.own_namespace
    }

    /// Asks the API server whether it would create the object if the live one did not exist.
    async fn try_as_new(&self, item: &Planned, live: &Value) -> Result<(), RestError> {
        let trial = without_own_allocations(&item.object, live);
        let answer = self
            .rest
            .try_create(&item.mapping, &item.id.namespace, self.manager(), &trial)
            .await;
        match answer {
            Ok(()) => Ok(()),
            Err(error) if error.is_already_there() || is_full_of_the_old(&error) => Ok(()),
            Err(error) => Err(self.discreet(item, error)),
        }
    }

    /// Deletes the very object that the plan was made from, and waits until it is gone.
    pub(super) async fn make_room(
        &self,
        item: &Planned,
        seen: Seen<'_>,
        timeout: Duration,
    ) -> Result<(), ApplyError> {
        let failed = |source| ApplyError::Apply {
            id: item.id.clone(),
            source,
        };
        self.rest.delete(&item.path(), seen).await.map_err(failed)?;
        let deadline = Instant::now() + timeout;
        loop {
            let found = self
                .rest
                .get(&item.mapping, &item.id.namespace, &item.id.name)
                .await
                .map_err(failed)?;
            if found.is_none_or(|found| metadata_text(&found, "uid") != seen.uid) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(ApplyError::NotGone {
                    id: item.id.clone(),
                    seconds: timeout.as_secs(),
                });
            }
            sleep(LOOK).await;
        }
    }

    /// Creates an object where another has just been deleted, which quotas notice a moment later.
    pub(super) async fn create_anew(&self, item: &Planned) -> Result<Value, RestError> {
        let deadline = Instant::now() + QUOTA_LAG;
        loop {
            match self.send(item, Mode::Always).await {
                Err(error) if is_full_of_the_old(&error) && Instant::now() < deadline => sleep(LOOK).await,
                answer => return answer,
            }
        }
    }
}

/// Leaves out what the object that is in the way holds itself, and gives back when it goes: addresses and ports of a
/// Service. What somebody else holds stays, and is refused.
fn without_own_allocations(object: &Value, live: &Value) -> Value {
    let mut trial = object.clone();
    if object["kind"] != "Service" || object["apiVersion"] != "v1" {
        return trial;
    }
    let Some(spec) = trial.get_mut("spec").and_then(Value::as_object_mut) else {
        return trial;
    };
    let held = &live["spec"];
    let is_held = |address: &Value| {
        address == &held["clusterIP"]
            || held["clusterIPs"]
                .as_array()
                .is_some_and(|all| all.contains(address))
    };
    let is_address = |address: &Value| {
        address
            .as_str()
            .is_some_and(|text| !text.is_empty() && text != "None")
    };
    if spec
        .get("clusterIP")
        .is_some_and(|address| is_address(address) && is_held(address))
    {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if let Some(port) = spec.get("healthCheckNodePort")
        && *port == held["healthCheckNodePort"]
    {
        spec.remove("healthCheckNodePort");
    }
    let node_ports: Vec<&Value> = held["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| port.get("nodePort"))
        .collect();
    for port in spec
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(port) = port.as_object_mut()
            && port
                .get("nodePort")
                .is_some_and(|port| node_ports.contains(&port))
        {
            port.remove("nodePort");
        }
    }
    trial
}

/// Kinds of which quotas count the objects; they count all others as `count/...`.
const COUNTED: [&str; 9] = [
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];

/// Tells whether a quota that counts objects has no room as long as the object that is in the way is counted.
fn is_full_of_the_old(error: &RestError) -> bool {
    let text = error.to_string();
    let requested = text
        .split_once("exceeded quota: ")
        .and_then(|(_, quota)| quota.split_once("requested: "))
        .and_then(|(_, rest)| rest.split_once(", used: "));
    error.is_forbidden()
        && requested.is_some_and(|(requested, _)| {
            requested.split(',').all(|request| {
                let resource = request.strip_suffix("=1").unwrap_or_default();
                resource.starts_with("count/") || COUNTED.contains(&resource)
            })
        })
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::super::engine::{Concurrency, Verify};
    use super::super::memory::Desired;
    use super::super::{FieldManagers, Normalized};
    use super::*;
    use crate::fake::{self, failure};
    use crate::live::LiveStore;
    use crate::mapper::Mapper;
    use crate::mapping::Mapping;
    use crate::rest::Rest;

    /// What becomes of a Namespace that was refused although everything is forced.
    async fn forced(name: &str) -> Result<Planned, ApplyError> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "uid": "u", "resourceVersion": "7"}});
        let live = namespace.clone();
        let answer = move |method: &Method, _: &str, _: &Value| match *method {
            Method::GET => (200, live.clone()),
            Method::POST => failure(409, "AlreadyExists", "it exists"),
            _ => failure(
                500,
                "InternalError",
                "nothing is written while a stage is planned",
            ),
        };
        let client = fake::client(answer, || true);
        let (rest, mapper) = (Rest::new(client.clone()), Mapper::new(client.clone()));
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        let shutdown = CancellationToken::new();
        let live = LiveStore::new(client, mapper.clone(), managers, "owner", None, shutdown);
        let applier = Applier {
            rest: &rest,
            mapper: &mapper,
            live: &live,
            hides_values: false,
            own_namespace: "flux-system",
            ignores: None,
        };
        let options = ApplyOptions {
            force: true,
            verify: Verify::All,
            concurrency: Concurrency(1),
            timeout: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            migrate_api_version: false,
        };
        let mapping = Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            plural: "namespaces".to_owned(),
            namespaced: false,
        };
        let item = Planned {
            id: id_of(&namespace),
            desired: Desired::of(&namespace),
            object: namespace,
            mapping,
            normalized: Normalized::Typed { unknown: Vec::new() },
            step: Step::Skip,
            payload: None,
        };
        let status =
            json!({"status": "Failure", "code": 422, "reason": "Invalid", "message": "is immutable"});
        let refusal = RestError::Api(serde_json::from_value(status).unwrap());
        applier.refused(item, options, refusal).await
    }

    #[tokio::test]
    async fn the_namespace_of_the_controller_is_not_recreated() {
        let other = forced("other").await.expect("a plan");
        assert!(matches!(other.step, Step::Recreate { .. }), "{other:?}");
        let own = forced("flux-system").await.expect_err("it would end everything");
        assert!(own.to_string().contains("the controller runs in it"), "{own}");
    }

    fn forbidden(message: &str) -> RestError {
        let status = json!({"status": "Failure", "code": 403, "reason": "Forbidden", "message": message});
        RestError::Api(serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_quota_of_objects_has_room_once_the_old_one_is_gone() {
        for (requested, is_full) in [
            ("count/configmaps=1", true),
            ("services=1,services.nodeports=1", true),
            ("count/configmaps=1,requests.storage=1", false),
            ("services.nodeports=2", false),
        ] {
            let message = format!(
                "configmaps \"a\" is forbidden: exceeded quota: few, requested: {requested}, used: x=1, limited: x=1"
            );
            assert_eq!(is_full_of_the_old(&forbidden(&message)), is_full, "{message}");
        }
        assert!(!is_full_of_the_old(&forbidden(
            "configmaps \"a\" is forbidden: User x cannot create"
        )));
    }

    #[test]
    fn what_a_service_holds_itself_is_not_asked_for_again() {
        let live = json!({"spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": [
            {"port": 80, "nodePort": 30080}, {"port": 81, "nodePort": 30081}]}});
        let service = |address: &str, ports: [u32; 2]| {
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": address, "ports": [
                {"port": 80, "nodePort": ports[0]}, {"port": 81, "nodePort": ports[1]}]}})
        };
        assert_eq!(
            without_own_allocations(&service("10.0.0.1", [30081, 30082]), &live),
            json!({"apiVersion": "v1", "kind": "Service", "spec": {"ports": [
                {"port": 80}, {"port": 81, "nodePort": 30082}]}})
        );
        let elsewhere = service("10.0.0.2", [30082, 30083]);
        assert_eq!(without_own_allocations(&elsewhere, &live), elsewhere);
    }
}

//! What the library gives an author for one run of a deployer.

use std::collections::BTreeMap;

use controller_kit::author::{Failure, Secrets};
use controller_kit::events::Severity;
use controller_kit::object::{ObjectId, api_version, kind, name, split_api_version};
use controller_kit::{Mapper, Mapping, ObjectPath, Rest, RestError, Seen};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};

/// The reason when an object cannot be applied.
const FAILED: &str = "ApplyFailed";

/// One run of a deployer.
pub struct Run {
    pub(crate) rest: Rest,
    pub(crate) mapper: Mapper,
    pub(crate) manager: &'static str,
    pub(crate) namespace: String,
    pub(crate) secrets: Secrets,
    pub(crate) step: &'static str,
    pub(crate) events: Vec<(Severity, &'static str, String)>,
}

impl Run {
    /// Applies an object on the server side, with its owner: it goes when the owner goes. The two are in one namespace.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn apply_owned<O: Resource<DynamicType = ()>>(
        &mut self,
        owner: &O,
        object: &Value,
    ) -> Result<Value, Failure> {
        let mut object = object.clone();
        let reference = json!({
            "apiVersion": O::api_version(&()), "kind": O::kind(&()), "name": owner.name_any(),
            "uid": owner.meta().uid, "controller": true, "blockOwnerDeletion": true,
        });
        let metadata = &mut object["metadata"];
        metadata["ownerReferences"] = json!([reference]);
        metadata["namespace"] = json!(owner.namespace());
        self.apply(&object).await
    }

    /// Applies an object on the server side as the controller, or as the service account of the object that is deployed; in the
    /// namespace of that object unless it says another. What others have set of it is overruled.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn apply(&mut self, object: &Value) -> Result<Value, Failure> {
        self.step("applying objects");
        let mut object = object.clone();
        object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = self.manager.into();
        let (mapping, namespace) = self.place(&object).await?;
        if mapping.namespaced {
            object["metadata"]["namespace"] = namespace.as_str().into();
        }
        let at = ObjectPath {
            mapping: &mapping,
            namespace: if mapping.namespaced { &namespace } else { "" },
            name: name(&object),
        };
        let applied = self.rest.apply(&at, self.manager, false, &object).await;
        applied.map_err(|error| refused(&object, error))
    }

    /// Deletes an object, unless it is gone.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn delete(&mut self, id: &ObjectId) -> Result<(), Failure> {
        self.step("deleting objects");
        let failed = |error: RestError| {
            Failure::retry(
                "DeleteFailed",
                format!(
                    "cannot delete {}/{}: {}",
                    id.kind,
                    id.name,
                    error.without_values()
                ),
            )
        };
        let mapping = self.mapper.preferred(&id.group, &id.kind).await;
        let mapping = mapping.map_err(|error| Failure::retry("DeleteFailed", error.to_string()))?;
        let found = self
            .rest
            .get(&mapping, &id.namespace, &id.name)
            .await
            .map_err(failed)?;
        let Some(object) = found else { return Ok(()) };
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &id.namespace,
            name: &id.name,
        };
        self.rest.delete(&at, Seen::of(&object)).await.map_err(failed)?;
        Ok(())
    }

    /// Where an object belongs.
    async fn place(&self, object: &Value) -> Result<(Mapping, String), Failure> {
        let (group, version) = split_api_version(api_version(object));
        let mapping = self.mapper.mapping(group, version, kind(object)).await;
        let mapping = mapping.map_err(|error| Failure::retry(FAILED, error.to_string()))?;
        let own = controller_kit::object::namespace(object);
        let namespace = if own.is_empty() {
            self.namespace.as_str()
        } else {
            own
        };
        Ok((mapping, namespace.to_owned()))
    }

    /// Reads a Secret of the object's namespace. Its values are masked in whatever is told about this run, and when it changes
    /// the object is looked at again.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub async fn secret(&mut self, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.step("reading Secrets");
        let client = self.rest.client().clone();
        self.secrets.read(&client, &self.namespace, name).await
    }

    /// Says what is done now, for whoever wonders what took so long.
    pub fn step(&mut self, name: &'static str) {
        self.step = name;
    }

    /// Tells the people behind the object something.
    pub fn event(&mut self, severity: Severity, reason: &'static str, message: impl Into<String>) {
        self.events.push((severity, reason, message.into()));
    }

    /// Gives the client that acts as the controller.
    pub fn client(&self) -> &Client {
        self.rest.client()
    }
}

/// What the API server says, without the values of a Secret.
fn refused(object: &Value, error: RestError) -> Failure {
    let error = if kind(object) == "Secret" {
        error.without_values()
    } else {
        error
    };
    let message = format!("cannot apply {}/{}: {error}", kind(object), name(object));
    match error.code() {
        // What the API server takes exception to has to be edited, here or in the source, which wakes the object.
        Some(400 | 403 | 422) => Failure::later(FAILED, message),
        _ => Failure::retry(FAILED, message),
    }
}

//! Creating and changing single objects: on the server side, on the client side, or by replacing them.

use controller_kit::RestError;
use helm::merge::{self, MergeOptions, PatchType};
use serde_json::{Map, Value};

use super::error::ApplyError;
use super::log::{Attribute, Cause};
use super::managers::upgrade_patch;
use super::requests::{self, Attempts};
use super::resource::Resource;
use super::{Cluster, Log};

/// How objects are brought into the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// The API server merges them.
    ServerSide {
        /// Whether fields are taken from others who own them.
        force: bool,
    },
    /// They are compared with what the last release said, and with what is there.
    ClientSide {
        /// Whether objects of custom kinds are compared with what is there, too.
        three_way_for_untyped: bool,
    },
    /// They replace what is there.
    Replace,
}

impl Method {
    /// How an object is created of which nothing is there.
    pub(crate) fn creating(server_side: bool) -> Self {
        if server_side {
            Self::ServerSide { force: false }
        } else {
            Self::ClientSide {
                three_way_for_untyped: false,
            }
        }
    }

    /// How an object is changed, by helm-controller's rule: fields are taken from others on the server side, where
    /// nothing is ever replaced.
    pub(crate) fn changing(server_side: bool, replace: bool) -> Self {
        match (server_side, replace) {
            (true, _) => Self::ServerSide { force: true },
            (false, true) => Self::Replace,
            (false, false) => Self::ClientSide {
                three_way_for_untyped: false,
            },
        }
    }

    pub(super) fn log_creation(self, log: &Log) {
        match self {
            Self::ServerSide { force } => log.debug(
                "using server-side apply for resource creation",
                &[
                    ("dryRun", &false),
                    ("fieldValidationDirective", &"Strict"),
                    ("forceConflicts", &force),
                ],
            ),
            Self::ClientSide { .. } | Self::Replace => {
                log.debug("using client-side apply for resource creation", &[]);
            }
        }
    }

    pub(super) fn log_update(self, upgrades_managers: bool, log: &Log) {
        self.log_creation(log);
        match self {
            Self::ServerSide { force } => log.debug(
                "using server-side apply for resource update",
                &[
                    ("dryRun", &false),
                    ("fieldValidationDirective", &"Strict"),
                    ("forceConflicts", &force),
                    ("upgradeClientSideFieldManager", &upgrades_managers),
                ],
            ),
            Self::ClientSide {
                three_way_for_untyped,
            } => log.debug(
                "using client-side apply for resource update",
                &[("threeWayMergeForUnstructured", &three_way_for_untyped)],
            ),
            Self::Replace => log.debug(
                "using resource replace update strategy",
                &[("fieldValidationDirective", &"Strict")],
            ),
        }
    }
}

impl Cluster {
    /// Creates an object.
    pub(super) async fn create_one(
        &self,
        resource: &mut Resource,
        method: Method,
        log: &Log,
    ) -> Result<(), ApplyError> {
        let Method::ServerSide { force } = method else {
            let created = requests::create(&self.rest, resource).await;
            let created = created.map_err(|error| ApplyError::Refused(discreet(resource, error)))?;
            self.take(resource, created);
            return Ok(());
        };
        let gvk = resource.gvk();
        let applied = self.apply_one(resource, force).await;
        let attributes = attributes(resource, &gvk);
        match &applied {
            Ok(()) => log.debug("Created resource via patch", &attributes),
            Err(_) => log.debug_error("Error creating resource via patch", &attributes, Cause::Hidden),
        }
        applied
    }

    /// Changes an object that is there, as `live` says; `original` is what the last release said of it.
    pub(super) async fn change_one(
        &self,
        original: Option<&Resource>,
        target: &mut Resource,
        live: Value,
        method: Method,
        upgrades_managers: bool,
        log: &Log,
    ) -> Result<(), ApplyError> {
        match method {
            Method::ServerSide { force } => {
                let gvk = target.gvk();
                if upgrades_managers {
                    match self.upgrade_managers(original.unwrap_or(target), live).await {
                        Ok(false) => {}
                        Ok(true) => log.debug(
                            "Upgraded object client-side field management with server-side apply field management",
                            &attributes(target, &gvk),
                        ),
                        Err(error) => {
                            let message = "Error patching resource to replace CSA field management";
                            log.debug_error(message, &[], Cause::Hidden);
                            return Err(error);
                        }
                    }
                }
                let applied = self.apply_one(target, force).await;
                let attributes = attributes(target, &gvk);
                if let Err(error) = applied {
                    log.debug_error("Error patching resource", &attributes, Cause::Hidden);
                    return Err(error);
                }
                log.debug("Patched resource", &attributes);
            }
            Method::ClientSide {
                three_way_for_untyped,
            } => {
                self.patch_one(original, target, live, three_way_for_untyped)
                    .await?;
            }
            Method::Replace => {
                let replaced = requests::replace(&self.rest, target).await;
                let replaced = replaced.map_err(|error| {
                    let gvk = target.gvk();
                    log.debug_error(
                        "error replacing the resource",
                        &attributes(target, &gvk),
                        Cause::Hidden,
                    );
                    ApplyError::Replace(discreet(target, error))
                })?;
                self.take(target, replaced);
                let initial = original.map_or(&target.mapping.kind, |original| &original.mapping.kind);
                log.debug(
                    "replace succeeded",
                    &[
                        ("name", &target.name),
                        ("initialKind", initial),
                        ("kind", &target.mapping.kind),
                    ],
                );
            }
        }
        Ok(())
    }

    async fn apply_one(&self, resource: &mut Resource, force: bool) -> Result<(), ApplyError> {
        let answer = requests::apply(&self.rest, resource, force).await;
        let answer = answer.map_err(|error| {
            let (object, error) = (resource.place_and_kind(), discreet(resource, error));
            if error.code() == Some(415) {
                ApplyError::NotAvailable(error)
            } else if error.is_conflict() {
                ApplyError::Conflict { object, error }
            } else {
                ApplyError::Apply { object, error }
            }
        })?;
        self.take(resource, answer);
        Ok(())
    }

    /// Sends the difference between what the last release said, what this one says, and what is there.
    ///
    /// What is sent rests on what was looked at, and is refused if somebody has written since; then it is looked at again. What
    /// is written all the time is changed as Helm does it in the end, unless that might mix up the elements of a list.
    async fn patch_one(
        &self,
        original: Option<&Resource>,
        target: &mut Resource,
        live: Value,
        three_way_for_untyped: bool,
    ) -> Result<(), ApplyError> {
        let options = MergeOptions {
            fits_type: fits_type(&target.object),
            three_way_for_untyped,
        };
        let (mut live, mut attempts) = (live, Attempts::default());
        loop {
            // What no release said counts as said by what is there, as in Helm.
            let said = original.map_or(&live, |original| &original.object);
            let patch = merge::three_way(said, &target.object, &live, options);
            let patch = patch.map_err(|error| ApplyError::Merge(Box::new(error)))?;
            if patch.is_empty() {
                self.take(target, live);
                return Ok(());
            }
            let rests_on_live = patch.patch_type == PatchType::StrategicMerge || three_way_for_untyped;
            let content = patch.patch_type.content_type();
            let insists = attempts.is_last() && !patch.body.contains('[');
            let body = with_version(&patch.body, &live, rests_on_live && !insists)?;
            match requests::patch(&self.rest, &target.at(), content, &body).await {
                Ok(answer) => {
                    self.take(target, answer);
                    return Ok(());
                }
                Err(error) if error.is_conflict() && attempts.pause().await => {
                    let again = requests::get(&self.rest, &target.at()).await;
                    let again = again.map_err(|error| ApplyError::Live {
                        object: format!("{}/{}", target.namespace, target.name),
                        error: discreet(target, error),
                    })?;
                    live = again.unwrap_or_default();
                }
                Err(error) => {
                    return Err(ApplyError::Patch {
                        name: target.name.clone(),
                        kind: target.mapping.kind.clone(),
                        error: discreet(target, error),
                    });
                }
            }
        }
    }

    /// Makes the fields that we wrote ones that we apply, and tells whether there were any; `live` is what was read last.
    async fn upgrade_managers(&self, original: &Resource, live: Value) -> Result<bool, ApplyError> {
        let at = original.at();
        let (mut live, mut attempts) = (Some(live), Attempts::default());
        loop {
            let current = match live.take() {
                Some(live) => Some(live),
                None => requests::get(&self.rest, &at)
                    .await
                    .map_err(|error| ApplyError::Get {
                        object: original.place_and_kind(),
                        error: discreet(original, error),
                    })?,
            };
            let Some(patch) = current.as_ref().and_then(upgrade_patch) else {
                return Ok(false);
            };
            match requests::json_patch(&self.rest, &at, &patch).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_conflict() && attempts.pause().await => {}
                Err(error) if error.is_conflict() => {
                    return Err(ApplyError::Refused(discreet(original, error)));
                }
                Err(error) => {
                    return Err(ApplyError::Managers {
                        object: original.place_and_kind(),
                        error: discreet(original, error),
                    });
                }
            }
        }
    }

    /// Takes note of what is there by now; a wait must not see what was before.
    fn take(&self, resource: &mut Resource, answer: Value) {
        self.live.learn(&resource.mapping, &answer);
        resource.refresh(answer);
    }
}

/// What a line of the log says about an object.
fn attributes<'a>(resource: &'a Resource, gvk: &'a dyn std::fmt::Display) -> [Attribute<'a>; 3] {
    [
        ("namespace", &resource.namespace),
        ("name", &resource.name),
        ("gvk", gvk),
    ]
}

/// Leaves out of an error about a Secret what the API server repeats of its values.
pub(super) fn discreet(resource: &Resource, error: RestError) -> RestError {
    if resource.is_secret() {
        error.without_values()
    } else {
        error
    }
}

/// Whether an object of a built-in kind has the fields of its kind; the API server says what is wrong with others.
fn fits_type(object: &Value) -> bool {
    use controller_kit::apply::{Normalized, normalize};
    let is_role = controller_kit::object::api_version(object).starts_with("rbac.authorization.k8s.io/");
    is_role || !matches!(normalize(&mut object.clone()), Ok(Normalized::Untyped))
}

/// Adds to a patch that it is for an object in the version that was looked at.
fn with_version(patch: &str, live: &Value, rests_on_live: bool) -> Result<Value, ApplyError> {
    let mut patch: Value = serde_json::from_str(patch).map_err(|error| ApplyError::Merge(Box::new(error)))?;
    let version = controller_kit::object::resource_version(live);
    if !rests_on_live || version.is_empty() {
        return Ok(patch);
    }
    if let Value::Object(fields) = &mut patch {
        let metadata = fields.entry("metadata").or_insert_with(|| Map::new().into());
        if let Value::Object(metadata) = metadata {
            metadata.insert("resourceVersion".to_owned(), version.into());
        }
    }
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_replaced_on_the_server_side() {
        assert_eq!(Method::changing(true, true), Method::ServerSide { force: true });
        assert_eq!(Method::changing(false, true), Method::Replace);
        assert!(matches!(
            Method::changing(false, false),
            Method::ClientSide { .. }
        ));
        assert_eq!(Method::creating(true), Method::ServerSide { force: false });
    }

    #[test]
    fn a_patch_is_for_what_was_looked_at() {
        let live = json!({"metadata": {"resourceVersion": "7"}});
        let patch = |text: &str, rests: bool| with_version(text, &live, rests).unwrap();
        assert_eq!(
            patch(r#"{"spec":{"a":1}}"#, true),
            json!({"spec": {"a": 1}, "metadata": {"resourceVersion": "7"}})
        );
        assert_eq!(patch(r#"{"spec":null}"#, false), json!({"spec": null}));
    }

    #[test]
    fn an_object_fits_its_type_or_it_does_not() {
        let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        assert!(fits_type(&map(json!({"a": "b"}))));
        assert!(!fits_type(&map(json!({"a": 1}))));
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []});
        assert!(fits_type(&role));
    }
}

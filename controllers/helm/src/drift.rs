//! What others have changed of a release in the cluster, and putting it right.

use std::time::Duration;

use controller_kit::apply::{FieldManagers, dry_run_refused, normalize, sort_for_apply};
use controller_kit::object::{api_version, id_of, kind, metadata_text, resource_version, split_api_version};
use controller_kit::{Ask, MapError, Mapping, ObjectPath, RestError};
use flux_api::HelmRelease;
use futures::{FutureExt as _, StreamExt as _};
use helm::drift::{
    Diff, DiffType, IgnoreRule, IgnoreRules, IgnoreTarget, correction_failure, has_changes, is_excluded,
    is_marked, mask_error, resource_name, set_helm_metadata, summarize, summarize_briefly,
};
use helm::release::Release;
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::{Cluster, Patience, documents};
use crate::kind::CONTROLLER;
use crate::machine::Drift;

/// How many objects are looked at at once.
const AT_ONCE: usize = 8;

/// How often an object is looked at anew because somebody wrote meanwhile.
const ATTEMPTS: usize = 3;

/// What was found out about the objects of a release.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    diffs: Vec<Diff>,
    errors: Vec<String>,
    rules: IgnoreRules,
}

/// What a correction came to: a line for each object that was put right, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Corrected {
    pub(crate) done: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Comparison {
    /// What it means for the release.
    pub(crate) fn drift(&self) -> Drift {
        if has_changes(&self.diffs) {
            Drift::Some(summarize(&self.diffs))
        } else if self.errors.is_empty() {
            Drift::None
        } else {
            Drift::Unknown(aggregate(&self.errors))
        }
    }

    /// Puts right what is different, object by object, for as long as that may take.
    pub(crate) async fn correct(
        &self,
        cluster: &Cluster,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Corrected {
        let deadline = Instant::now() + timeout;
        let mut corrected = Corrected::default();
        for diff in in_order_of_correction(&self.diffs) {
            let mending = tokio::time::timeout_at(deadline, self.mend(cluster, diff));
            let mended = patience
                .answer(mending)
                .await
                .unwrap_or_else(|_| Err("context deadline exceeded".to_owned()));
            match mended {
                Ok(Some(done)) => corrected
                    .done
                    .push(format!("{} {done}", resource_name(diff.desired()))),
                // Somebody else was faster.
                Ok(None) => {}
                Err(error) => corrected.failures.push(correction_failure(diff, &error)),
            }
        }
        corrected
    }

    async fn mend(&self, cluster: &Cluster, diff: &Diff) -> Result<Option<&'static str>, String> {
        let object = diff.desired();
        let mapping = mapping(cluster, object).await?;
        if diff.diff_type() == DiffType::Create {
            let collection = mapping.collection(metadata_text(object, "namespace"));
            let path = format!("{collection}?fieldManager={CONTROLLER}");
            let ask = Ask::new(Method::POST, &path).with("application/json", object);
            let created = cluster.rest.ask(&ask).await;
            return created
                .map(|_| Some("created"))
                .map_err(|error| told(object, error));
        }
        let mut again = None;
        for _ in 0..ATTEMPTS {
            let diff = again.as_ref().unwrap_or(diff);
            let patch = serde_json::from_str::<Value>(&diff.correction_body());
            let patch = patch.map_err(|error| error.to_string())?;
            match cluster
                .rest
                .json_patch(&at(&mapping, object), CONTROLLER, &patch)
                .await
            {
                Ok(_) => return Ok(Some("configured")),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(told(object, error)),
            }
            let anew = compare(cluster, &self.rules, &mapping, object.clone()).await?;
            if anew.diff_type() != DiffType::Update {
                return Ok(None);
            }
            again = Some(anew);
        }
        Err(MODIFIED.to_owned())
    }
}

/// Compares the objects of a release with the cluster; fields of managers that are overridden become ours first.
pub(crate) async fn look(
    cluster: &Cluster,
    managers: &FieldManagers,
    object: &HelmRelease,
    release: &Release,
    patience: &mut Patience<'_>,
) -> Comparison {
    let mut found = Comparison::default();
    match rules(object) {
        Ok(rules) => found.rules = rules,
        Err(error) => {
            found.errors.push(error);
            return found;
        }
    }
    let mut objects = Vec::new();
    for document in documents(&release.manifest.read()) {
        match document {
            Ok(document) => objects.push(document.object),
            Err(error) => found.errors.push(error.to_string()),
        }
    }
    patience.answer(cluster.forget_gone_kinds()).await;
    // Stock looks for the scope of all kinds before it looks for anything else.
    let without_namespace = |object: &Value| metadata_text(object, "namespace").is_empty();
    let first = objects.iter().position(without_namespace).unwrap_or_default();
    let looks = objects.into_iter().enumerate();
    let looks: Vec<_> = looks
        .map(|(at, object)| {
            let look = Look {
                cluster,
                managers,
                rules: &found.rules,
                release,
                is_first: at == first,
            };
            look.at(object).boxed()
        })
        .collect();
    let mut looked = futures::stream::iter(looks).buffered(AT_ONCE);
    let (mut scopes, mut others) = (Vec::new(), Vec::new());
    while let Some(result) = patience.answer(looked.next()).await {
        match result {
            Ok(diff) => found.diffs.push(diff),
            Err(failure) => {
                scopes.extend(failure.scope);
                others.push(failure.error);
            }
        }
    }
    drop(looked);
    found.errors.extend(scopes.into_iter().chain(others));
    if has_changes(&found.diffs) {
        tracing::info!(
            "detected changes in cluster state: {}",
            summarize_briefly(&found.diffs)
        );
        if !found.errors.is_empty() {
            let error = aggregate(&found.errors);
            tracing::error!(
                error,
                "diff of release against cluster state completed with error"
            );
        }
    }
    found
}

fn rules(object: &HelmRelease) -> Result<IgnoreRules, String> {
    let detection = object.spec.drift_detection.iter();
    let rules = detection.flat_map(|detection| &detection.ignore);
    let rules: Vec<_> = rules
        .map(|rule| IgnoreRule {
            paths: rule.paths.clone(),
            target: rule.target.clone().map(|target| IgnoreTarget {
                group: target.group,
                version: target.version,
                kind: target.kind,
                name: target.name,
                namespace: target.namespace,
                annotation_selector: target.annotation_selector,
                label_selector: target.label_selector,
            }),
        })
        .collect();
    IgnoreRules::new(&rules).map_err(|error| error.to_string())
}

/// How an object is looked at.
struct Look<'l> {
    cluster: &'l Cluster,
    managers: &'l FieldManagers,
    rules: &'l IgnoreRules,
    release: &'l Release,
    /// Whether its kind is the first of all that is looked for.
    is_first: bool,
}

/// Why an object is not compared.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    /// That nobody knows whether its kind has namespaces.
    scope: Option<String>,
    error: String,
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Self { scope: None, error }
    }
}

impl Look<'_> {
    async fn at(self, mut object: Value) -> Result<Diff, Failure> {
        let Self {
            cluster,
            managers,
            rules,
            release,
            ..
        } = self;
        set_helm_metadata(&mut object, &release.name, &release.namespace);
        let (group, version) = split_api_version(api_version(&object));
        let mapping = match cluster.mapper.mapping(group, version, kind(&object)).await {
            Ok(mapping) => mapping,
            Err(error) => {
                let (is_missing, text) = (matches!(error, MapError::NoMatch { .. }), error.to_string());
                drop(error);
                return Err(self.without_mapping(&object, is_missing, &text).await);
            }
        };
        if metadata_text(&object, "name").is_empty() {
            return Err("resource name may not be empty".to_owned().into());
        }
        if mapping.namespaced && metadata_text(&object, "namespace").is_empty() {
            object["metadata"]["namespace"] = release.namespace.as_str().into();
        }
        normalize(&mut object).map_err(|error| error.to_string())?;
        take_over(cluster, managers, &mapping, &object)
            .await
            .map_err(|error| format!("failed to clean-up disallowed field managers: {error}"))?;
        if is_excluded(rules, &object) {
            return Ok(Diff::exclusion(object));
        }
        Ok(compare(cluster, rules, &mapping, object).await?)
    }

    /// It is not known where objects of a kind are.
    async fn without_mapping(&self, object: &Value, is_missing: bool, error: &str) -> Failure {
        // Only the first look says that the version of the group is missing.
        let is_served = if is_missing && self.is_first {
            let served = self.cluster.discovery.served().await;
            served.is_ok_and(|served| served.iter().any(|served| served == api_version(object)))
        } else {
            true
        };
        unmapped(object, error, is_served)
    }
}

/// What stock's client says of a kind that it does not find, for each of the two times that it looks.
fn unmapped(object: &Value, error: &str, is_served: bool) -> Failure {
    let version = api_version(object);
    let first = if is_served {
        error.to_owned()
    } else {
        format!(
            "unable to retrieve the complete list of server APIs: {version}: no matches for {version}, Resource="
        )
    };
    if !metadata_text(object, "namespace").is_empty() {
        return first.into();
    }
    let kind = kind(object);
    Failure {
        scope: Some(format!(
            "failed to determine if {kind} is namespace scoped: failed to get restmapping: {first}"
        )),
        error: error.to_owned(),
    }
}

/// Makes fields of overridden managers ours, so that those that are not wanted go with the next correction.
async fn take_over(
    cluster: &Cluster,
    managers: &FieldManagers,
    mapping: &Mapping,
    object: &Value,
) -> Result<(), String> {
    if managers.overridden.is_empty() {
        return Ok(());
    }
    let path = at(mapping, object);
    for _ in 0..ATTEMPTS {
        let live = cluster.rest.get(mapping, path.namespace, path.name).await;
        let live = live.map_err(|error| told(object, error))?;
        let Some(patch) = live.and_then(|live| managers.takeover_patch(&live)) else {
            return Ok(());
        };
        match cluster.rest.json_patch(&path, CONTROLLER, &patch).await {
            Err(error) if error.is_conflict() => {}
            done => return done.map(drop).map_err(|error| told(object, error)),
        }
    }
    Err(MODIFIED.to_owned())
}

/// What the API server says of a patch for a version that is not the last one.
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Compares one object with what a server-side apply would make of it.
async fn compare(
    cluster: &Cluster,
    rules: &IgnoreRules,
    mapping: &Mapping,
    object: Value,
) -> Result<Diff, String> {
    let path = at(mapping, &object);
    let live = cluster.rest.get(mapping, path.namespace, path.name).await;
    let live = live.map_err(|error| told(&object, error))?.unwrap_or(Value::Null);
    if is_marked(&live) {
        return Ok(Diff::exclusion(object));
    }
    let dry_run = cluster.rest.apply(&path, CONTROLLER, true, &object).await;
    let dry_run = dry_run.map_err(|source| {
        let source = if kind(&object) == "Secret" {
            source.without_values()
        } else {
            source
        };
        dry_run_refused(&id_of(&object), &source)
    })?;
    if resource_version(&dry_run).is_empty() {
        return Ok(Diff::creation(object));
    }
    Diff::between(object, live, &dry_run, rules).map_err(|error| error.to_string())
}

async fn mapping(cluster: &Cluster, object: &Value) -> Result<Mapping, String> {
    let (group, version) = split_api_version(api_version(object));
    let mapping = cluster.mapper.mapping(group, version, kind(object)).await;
    mapping.map_err(|error| error.to_string())
}

fn at<'a>(mapping: &'a Mapping, object: &'a Value) -> ObjectPath<'a> {
    ObjectPath {
        mapping,
        namespace: metadata_text(object, "namespace"),
        name: metadata_text(object, "name"),
    }
}

/// What the API server says, without what it repeats of the values of a Secret.
fn told(object: &Value, error: RestError) -> String {
    if kind(object) != "Secret" {
        return error.to_string();
    }
    let is_invalid = error.code() == Some(422);
    let text = error.without_values().to_string();
    if is_invalid {
        mask_error(&text).to_owned()
    } else {
        text
    }
}

/// Several errors, as Kubernetes' libraries put them together: each text once.
fn aggregate(errors: &[String]) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for error in errors {
        if !texts.contains(&error.as_str()) {
            texts.push(error);
        }
    }
    match texts.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// Those that are to be created, then those that are to be patched, each in the order of their kinds.
fn in_order_of_correction(diffs: &[Diff]) -> Vec<&Diff> {
    let of_type = |diff_type| {
        let mut some: Vec<_> = diffs
            .iter()
            .filter(|diff| diff.diff_type() == diff_type)
            .collect();
        sort_for_apply(&mut some, |diff| diff.desired());
        some
    };
    let mut found = of_type(DiffType::Create);
    found.extend(of_type(DiffType::Update));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_that_nobody_serves_is_told_as_by_stock() {
        let object = |namespace: &str| {
            let mut object = json!({"apiVersion": "a.test/v1", "kind": "Widget", "metadata": {"name": "a"}});
            if !namespace.is_empty() {
                object["metadata"]["namespace"] = namespace.into();
            }
            object
        };
        let error = "no matches for kind \"Widget\" in version \"a.test/v1\"";
        let whole = "unable to retrieve the complete list of server APIs: a.test/v1: no matches for a.test/v1, Resource=";
        for (namespace, is_served, scope, told) in [
            ("", true, Some(error), error),
            ("", false, Some(whole), error),
            ("apps", true, None, error),
            ("apps", false, None, whole),
        ] {
            let scope = scope.map(|scope| {
                format!(
                    "failed to determine if Widget is namespace scoped: failed to get restmapping: {scope}"
                )
            });
            let expected = Failure {
                scope,
                error: told.to_owned(),
            };
            assert_eq!(unmapped(&object(namespace), error, is_served), expected);
        }
    }

    #[test]
    fn the_same_error_is_told_once() {
        for (errors, expected) in [
            (&["a"][..], "a"),
            (&["a", "a"], "a"),
            (&["a", "b", "a"], "[a, b]"),
        ] {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            assert_eq!(aggregate(&errors), expected);
        }
    }

    #[test]
    fn what_is_missing_is_created_in_the_order_of_kinds_before_anything_is_patched() {
        let object = |kind: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "apps"}});
        let mut live = object("ConfigMap");
        live["data"] = json!({"a": "b"});
        let dry_run = object("ConfigMap");
        let changed = Diff::between(dry_run.clone(), live, &dry_run, &IgnoreRules::default());
        let diffs = [
            changed.unwrap(),
            Diff::creation(object("Service")),
            Diff::exclusion(object("Secret")),
            Diff::creation(object("ServiceAccount")),
        ];
        let order: Vec<_> = in_order_of_correction(&diffs)
            .into_iter()
            .map(|diff| resource_name(diff.desired()))
            .collect();
        assert_eq!(
            order,
            ["ServiceAccount/apps/a", "Service/apps/a", "ConfigMap/apps/a"]
        );
    }
}

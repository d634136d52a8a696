//! Whether stock leaves alone what is labelled for us, and goes on doing so.

use flux_api::{Arguments, Claims, selector};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube_core::{ResourceExt, SelectorExt};

use super::facts::{labels, name};
use super::{Facts, Finding};

pub(super) fn excluded(facts: &Facts) -> Vec<Finding> {
    let (key, value) = facts.label();
    let labels = labels((key.clone(), value.clone()));
    let mut findings = Vec::new();
    for (kind, deployment, _, arguments) in facts.deployers() {
        let claims = Claims::of(kind.controller(), [deployment]);
        // One that is restricted to its own namespace is asked about that.
        let Some(rival) = claims.rival(&deployment.namespace().unwrap_or_default(), &labels) else {
            continue;
        };
        let labelled = facts.labelled.as_deref().unwrap_or_default();
        let concerned = labelled.iter().filter(|(handle, meta)| {
            let labels = meta.labels.clone().unwrap_or_default();
            handle.kind == kind && claims.rival(&handle.key.namespace, &labels).is_some()
        });
        let concerned = concerned.count();
        let argument = match (rival.selector.as_str(), arguments.value("watch-label-selector")) {
            ("", _) => "it has no --watch-label-selector".to_owned(),
            (selector, _) => format!("it has --watch-label-selector={selector}"),
        };
        let mut finding = Finding::failure(format!(
            "{} selects objects that are labelled {key}={value}",
            name(deployment)
        ))
        .detail(argument);
        if concerned > 0 {
            finding = finding.detail(format!(
                "{concerned} labelled {}s are left alone by our controller until this is changed",
                kind.kind()
            ));
        }
        let index = if arguments.value("watch-label-selector").is_some() {
            "replace the selector among its arguments by".to_owned()
        } else {
            "add to its arguments".to_owned()
        };
        findings.push(finding.fix(&format!(
            "{index} --watch-label-selector=!{key}, where it survives an upgrade:\n{}",
            patch(&deployment.name_any(), &key)
        )));
    }
    findings
}

/// A patch for the kustomization of a bootstrap repository, or for `spec.kustomize.patches` of a FluxInstance.
pub(super) fn patch(deployment: &str, key: &str) -> String {
    format!(
        "patches:\n- target: {{kind: Deployment, name: {deployment}}}\n  patch: |\n    - {{op: add, path: \
         /spec/template/spec/containers/0/args/-, value: \"--watch-label-selector=!{key}\"}}"
    )
}

/// Field managers that bring what is in Git or in a FluxInstance.
const DURABLE: [&str; 3] = ["kustomize-controller", "flux-operator", "flux"];

pub(super) fn durable(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, deployment, _, arguments) in facts.deployers() {
        if arguments.value("watch-label-selector").is_none() {
            continue;
        }
        let managers = deployment.metadata.managed_fields.iter().flatten();
        let of_arguments: Vec<_> = managers
            .clone()
            .filter(|entry| owns_arguments(entry))
            .filter_map(|entry| entry.manager.as_deref())
            .collect();
        let keeper = managers
            .filter_map(|entry| entry.manager.as_deref())
            .find(|manager| DURABLE.contains(manager));
        let is_durable = of_arguments.iter().any(|manager| DURABLE.contains(manager));
        if let (Some(keeper), false, Some(manager)) = (keeper, is_durable, of_arguments.first()) {
            findings.push(
                Finding::warning(format!(
                    "the arguments of {} were set by {manager}, while {keeper} brings the rest of it",
                    name(deployment)
                ))
                .detail("the next upgrade of Flux, or the next change of its manifests, takes them back")
                .fix("put the patch into the bootstrap repository, or into spec.kustomize.patches of the FluxInstance"),
            );
        }
    }
    findings
}

fn owns_arguments(entry: &ManagedFieldsEntry) -> bool {
    // Containers are told apart by name, so that the path has a key in it; the text is enough.
    let fields = entry.fields_v1.as_ref().map(|fields| fields.0.to_string());
    fields.is_some_and(|fields| fields.contains("\"f:args\""))
}

pub(super) fn rolled_out(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, deployment, _, _) in facts.deployers() {
        if is_rolling(deployment) {
            findings.push(
                Finding::failure(format!("the roll-out of {} has not ended", name(deployment)))
                    .detail("pods with the former arguments may still reconcile")
                    .fix(&format!(
                        "kubectl -n {} rollout status deployment/{}",
                        deployment.namespace().unwrap_or_default(),
                        deployment.name_any()
                    )),
            );
        }
    }
    findings
}

fn is_rolling(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    status.observed_generation < deployment.metadata.generation
        || status.updated_replicas.unwrap_or_default() < status.replicas.unwrap_or_default()
        || status.terminating_replicas.unwrap_or_default() > 0
}

pub(super) fn given_once(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (_, deployment, _, arguments) in facts.deployers() {
        let values: Vec<_> = arguments.values("watch-label-selector", None).collect();
        if values.len() > 1 {
            findings.push(
                Finding::warning(format!(
                    "{} has several selectors: the last counts",
                    name(deployment)
                ))
                .list(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
                .fix("write one, with a comma between its requirements"),
            );
        }
    }
    findings
}

pub(super) fn sources(facts: &Facts) -> Vec<Finding> {
    let (key, _) = facts.label();
    let selectors: Vec<_> = facts
        .stock("source-controller")
        .map(|(_, container)| {
            let arguments = Arguments::of(container);
            let text = arguments.value("watch-label-selector").unwrap_or_default();
            selector::parse(text).unwrap_or_default()
        })
        .collect();
    if selectors.is_empty() {
        return Vec::new();
    }
    let lost: Vec<_> = facts
        .world
        .sources
        .iter()
        .filter(|source| source.labels.contains_key(&key) && source.kind != "ExternalArtifact")
        .filter(|source| !selectors.iter().any(|selector| selector.matches(&source.labels)))
        .map(|source| format!("{}/{}", source.kind, source.key))
        .collect();
    if lost.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::failure(format!(
            "{} sources carry the label {key}, which every source-controller excludes: nobody fetches them",
            lost.len()
        ))
        .list(&lost)
        .detail("commonMetadata of a Kustomization, and kustomize's labels, put a label on every object: also on sources")
        .fix("label the Kustomization or HelmRelease alone; keep source-controller without a selector"),
    ]
}

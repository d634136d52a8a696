//! `migrate prepare`: what stock's Deployments need so that they leave labelled objects alone, and where that is written.

use std::collections::BTreeMap;

use flux_api::{Arguments, ObjectKey, selector};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube_core::{Expression, ResourceExt, Selector, SelectorExt};
use serde::Serialize;

use crate::doctor::{Diagnosis, Facts, Level};
use crate::git::{Argument, Holder};
use crate::subject::applied_by;
use crate::text::{Sign, Style, clean};
use crate::{API_VERSION, Handle, Subject};

/// Who brings stock's Deployments, and so has to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// A FluxInstance, by namespace and name.
    FluxInstance(String),
    /// A bootstrap repository, by the Kustomization that applies it.
    Bootstrap(Handle),
    /// A release of Helm, by name.
    Helm(String),
    /// Nobody who left a trace.
    Unknown,
}

/// What one stock Deployment needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub deployment: String,
    /// `add` or `replace`.
    pub op: &'static str,
    /// The JSON pointer.
    pub path: String,
    /// The argument.
    pub value: String,
}

/// Where the change was put in a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The file, from the top of the checkout.
    pub file: String,
    /// The first line that is new.
    pub line: usize,
    /// Whether it was written.
    pub written: bool,
}

/// What is to be prepared.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preparation {
    api_version: &'static str,
    kind: &'static str,
    /// The label that moves objects.
    pub label: String,
    /// The stock Deployments that leave labelled objects alone already.
    pub prepared: Vec<String>,
    /// What the others need.
    pub changes: Vec<Change>,
    /// Who brings them.
    pub origin: Origin,
    /// HelmReleases in the middle of an action, which two pods could both go on with.
    pub pending: Vec<Handle>,
    /// Deployments that start their new pod before the old one has ended.
    pub overlapping: Vec<String>,
    /// What is not as it has to be, in words.
    pub findings: Vec<String>,
    /// Where a checkout has the change, if one was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
}

impl Preparation {
    /// Finds out what is to be done.
    pub fn of(facts: &Facts) -> Self {
        let (key, value) = facts.label();
        let (mut prepared, mut changes, mut overlapping) = (Vec::new(), Vec::new(), Vec::new());
        let mut origin = Origin::Unknown;
        for (_, deployment, container, arguments) in facts.deployers() {
            let name = format!(
                "{}/{}",
                deployment.namespace().unwrap_or_default(),
                deployment.name_any()
            );
            if leaves_alone(&arguments, &key, &value) {
                prepared.push(name);
                continue;
            }
            if origin == Origin::Unknown {
                origin = origin_of(facts, deployment);
            }
            let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
            if strategy.is_none_or(|strategy| strategy.type_.as_deref() != Some("Recreate")) {
                overlapping.push(name);
            }
            changes.push(change(deployment, container, &arguments, &key));
        }
        let is_pending =
            |subject: &Subject| subject.release.starts_with("pending") || subject.release == "uninstalling";
        let pending = Subject::all(&facts.world).into_iter().filter(is_pending);
        let diagnosis = Diagnosis::of(facts, &["exclusion".to_owned()]);
        let findings = diagnosis
            .checks
            .iter()
            .filter(|check| matches!(check.code, "D121" | "D123"))
            .flat_map(|check| &check.findings)
            .filter(|finding| finding.level == Level::Failure)
            .map(|finding| finding.what.clone());
        Self {
            api_version: API_VERSION,
            kind: "Preparation",
            label: format!("{key}={value}"),
            prepared,
            changes,
            origin,
            pending: pending.map(|subject| subject.handle).collect(),
            overlapping,
            findings: findings.collect(),
            edit: None,
        }
    }

    /// Returns whether nothing is left to be done.
    pub fn is_done(&self) -> bool {
        self.findings.is_empty() && self.changes.is_empty() && !self.prepared.is_empty()
    }

    /// Returns what of a checkout changes: who holds the arguments, and which.
    ///
    /// # Errors
    /// Says why no file of a checkout is to be changed.
    pub fn edit_of_git(&self) -> Result<(Holder, Vec<Argument>), String> {
        let holder = match &self.origin {
            Origin::FluxInstance(name) => {
                let (namespace, name) = name.split_once('/').unwrap_or(("", name));
                Holder::Instance(ObjectKey::new(namespace, name))
            }
            Origin::Bootstrap(_) | Origin::Unknown => Holder::Kustomization,
            Origin::Helm(release) => {
                return Err(format!(
                    "release {release} of Helm brings the Deployments: its values have to change, which only you know"
                ));
            }
        };
        let arguments = self.grouped().into_iter().map(|(names, change)| Argument {
            names: names.into_iter().map(str::to_owned).collect(),
            op: change.op,
            path: change.path.clone(),
            value: change.value.clone(),
        });
        Ok((holder, arguments.collect()))
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        for name in &self.prepared {
            lines.push(format!(
                "{} {} leaves {} alone",
                style.sign(Sign::Good),
                clean(name),
                self.label
            ));
        }
        for finding in &self.findings {
            lines.push(format!("{} {}", style.sign(Sign::Bad), clean(finding)));
        }
        if self.changes.is_empty() {
            if self.prepared.is_empty() {
                lines.push("There is no stock kustomize-controller or helm-controller.".to_owned());
            } else if self.is_done() {
                lines
                    .push("Nothing is left to prepare: openflux migrate scan says what can move.".to_owned());
            }
            return lines;
        }
        lines.push(String::new());
        lines.extend(self.patch());
        lines.push(String::new());
        lines.extend(self.order());
        lines
    }

    fn patch(&self) -> Vec<String> {
        let (about, head): (String, &[&str]) = match &self.origin {
            Origin::FluxInstance(name) => (
                format!(
                    "A FluxInstance brings these Deployments. Add to it ({}):",
                    clean(name)
                ),
                &["spec:", "  kustomize:"],
            ),
            Origin::Bootstrap(parent) => (
                format!(
                    "{parent} brings these Deployments from Git. Add to the kustomization.yaml beside gotk-components.yaml:"
                ),
                &[],
            ),
            Origin::Helm(release) => (
                format!(
                    "Release {} of Helm brings these Deployments: it takes back what is changed here. Its values, or a \
                     post-renderer, have to add these arguments:",
                    clean(release)
                ),
                &[],
            ),
            Origin::Unknown => {
                let about = "Nothing says who brings these Deployments. Where they are written, add the arguments; in the cluster:";
                let mut lines = vec![about.to_owned(), String::new()];
                for Change {
                    namespace,
                    deployment,
                    op,
                    path,
                    value,
                } in &self.changes
                {
                    lines.push(format!(
                        "    kubectl -n {namespace} patch deployment {deployment} --type=json -p \
                         '[{{\"op\": \"{op}\", \"path\": \"{path}\", \"value\": \"{value}\"}}]'"
                    ));
                }
                return lines;
            }
        };
        let mut lines = vec![about, String::new()];
        if let Origin::Helm(_) = self.origin {
            for change in &self.changes {
                lines.push(format!("    {}: {}", change.deployment, change.value));
            }
            return lines;
        }
        let indent = "  ".repeat(head.len());
        lines.extend(head.iter().map(|line| format!("    {line}")));
        lines.push(format!("    {indent}patches:"));
        for (names, change) in self.grouped() {
            let names = match &names[..] {
                [name] => (*name).to_owned(),
                names => format!("({})", names.join("|")),
            };
            lines.push(format!(
                "    {indent}- target: {{kind: Deployment, name: {names}}}"
            ));
            lines.push(format!("    {indent}  patch: |"));
            lines.push(format!(
                "    {indent}    - {{op: {}, path: {}, value: \"{}\"}}",
                change.op, change.path, change.value
            ));
        }
        lines
    }

    /// Changes that are the same, with the names of their Deployments.
    fn grouped(&self) -> Vec<(Vec<&str>, &Change)> {
        let mut groups: Vec<(Vec<&str>, &Change)> = Vec::new();
        for change in &self.changes {
            let same = |other: &Change| {
                (other.op, &other.path, &other.value) == (change.op, &change.path, &change.value)
            };
            match groups.iter_mut().find(|(_, other)| same(other)) {
                Some((names, _)) => names.push(&change.deployment),
                None => groups.push((vec![&change.deployment], change)),
            }
        }
        groups
    }

    fn order(&self) -> Vec<String> {
        let mut lines = vec![
            "The selector is part of the name of a controller's lease, so that its old pod and its new one can both lead for a"
                .to_owned(),
            "moment. In this order:".to_owned(),
        ];
        let mut number = 0;
        let mut step = |text: String| {
            number += 1;
            lines.push(format!("  {number}. {text}"));
        };
        for handle in &self.pending {
            let key = &handle.key;
            step(format!(
                "flux suspend helmrelease -n {} {}   (it is in the middle of an action)",
                key.namespace, key.name
            ));
        }
        if !self.overlapping.is_empty() {
            step(format!(
                "for this one roll-out, spec.strategy {{type: Recreate}} ends the old pod first: {}",
                self.overlapping.join(", ")
            ));
        }
        step("bring the change about, as above".to_owned());
        step("openflux migrate prepare --wait".to_owned());
        for handle in &self.pending {
            step(format!(
                "flux resume helmrelease -n {} {}",
                handle.key.namespace, handle.key.name
            ));
        }
        lines
    }
}

/// Whether a stock controller selects nothing that carries the label, whatever else it carries.
fn leaves_alone(arguments: &Arguments, key: &str, value: &str) -> bool {
    let text = arguments.value("watch-label-selector").unwrap_or_default();
    let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let is_about = |requirement: &Expression| {
        let (Expression::In(name, _)
        | Expression::NotIn(name, _)
        | Expression::Equal(name, _)
        | Expression::NotEqual(name, _)
        | Expression::Exists(name)
        | Expression::DoesNotExist(name)) = requirement;
        name == key
    };
    selector::parse(text).is_ok_and(|selector| {
        let requirements = selector.into_iter().filter(is_about);
        requirements
            .map(Selector::from)
            .any(|requirement| !requirement.matches(&labels))
    })
}

fn origin_of(facts: &Facts, deployment: &Deployment) -> Origin {
    if let Some(instance) = facts
        .instances
        .as_ref()
        .ok()
        .and_then(|instances| instances.first())
    {
        return Origin::FluxInstance(instance.to_string());
    }
    if let Some(parent) = applied_by(deployment.labels()) {
        return Origin::Bootstrap(parent);
    }
    let release = deployment.annotations().get("meta.helm.sh/release-name");
    release.map_or(Origin::Unknown, |release| Origin::Helm(release.clone()))
}

fn change(deployment: &Deployment, container: &Container, arguments: &Arguments, key: &str) -> Change {
    const FLAG: &str = "--watch-label-selector";
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let mut containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let container_at = containers
        .position(|other| other.name == container.name)
        .unwrap_or_default();
    let args = format!("/spec/template/spec/containers/{container_at}/args");
    let given = container.args.iter().flatten();
    let at = given
        .clone()
        .position(|argument| argument.starts_with(&format!("{FLAG}=")));
    let (op, path, value) = match (at, arguments.value("watch-label-selector")) {
        (Some(at), Some(selector)) if !selector.is_empty() => (
            "replace",
            format!("{args}/{at}"),
            format!("{FLAG}={selector},!{key}"),
        ),
        (Some(at), _) => ("replace", format!("{args}/{at}"), format!("{FLAG}=!{key}")),
        (None, _) => ("add", format!("{args}/-"), format!("{FLAG}=!{key}")),
    };
    Change {
        namespace: deployment.namespace().unwrap_or_default(),
        deployment: deployment.name_any(),
        op,
        path,
        value,
    }
}

#[cfg(test)]
mod tests {
    use flux_api::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE};

    use super::*;
    use crate::doctor::tests::healthy;
    use crate::owner::tests::deployment;

    fn open() -> Facts {
        let mut facts = healthy();
        facts.world.stock = vec![
            deployment("kustomize-controller", &["--a"], 1, 1),
            deployment("helm-controller", &["--a"], 1, 1),
        ];
        facts
    }

    fn lines(facts: &Facts) -> Vec<String> {
        Preparation::of(facts).lines(Style::default())
    }

    #[test]
    fn what_is_prepared_needs_nothing() {
        let facts = healthy();
        assert!(Preparation::of(&facts).is_done());
        let lines = lines(&facts);
        assert_eq!(
            lines[0],
            "✔ flux-system/kustomize-controller leaves sharding.fluxcd.io/key=openflux alone"
        );
        assert!(lines[2].starts_with("Nothing is left"), "{lines:?}");
    }

    #[test]
    fn the_patch_goes_where_the_deployments_come_from() {
        let mut facts = open();
        let text = lines(&facts).join("\n");
        assert!(
            text.contains("kubectl -n flux-system patch deployment helm-controller --type=json"),
            "{text}"
        );
        let labels = [
            (KUSTOMIZE_NAME, "flux-system"),
            (KUSTOMIZE_NAMESPACE, "flux-system"),
        ];
        for deployment in &mut facts.world.stock {
            let all = deployment.metadata.labels.get_or_insert_default();
            all.extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let found = lines(&facts);
        let at = found.iter().position(|line| line == "    patches:").unwrap();
        assert_eq!(
            found[at + 1..at + 4],
            [
                "    - target: {kind: Deployment, name: (kustomize-controller|helm-controller)}",
                "      patch: |",
                "        - {op: add, path: /spec/template/spec/containers/0/args/-, value: \"--watch-label-selector=!sharding.fluxcd.io/key\"}",
            ]
        );
        let (holder, arguments) = Preparation::of(&facts).edit_of_git().unwrap();
        assert_eq!(holder, Holder::Kustomization);
        assert_eq!(arguments[0].names, ["kustomize-controller", "helm-controller"]);
        facts.instances = Ok(vec![ObjectKey::new("flux-system", "flux")]);
        let (holder, _) = Preparation::of(&facts).edit_of_git().unwrap();
        assert_eq!(holder, Holder::Instance(ObjectKey::new("flux-system", "flux")));
        let found = lines(&facts);
        assert!(found.contains(&"      kustomize:".to_owned()), "{found:?}");
        assert!(found.contains(&"        patches:".to_owned()), "{found:?}");
    }

    #[test]
    fn a_selector_that_is_there_is_kept() {
        let mut facts = open();
        facts.world.stock[0] = deployment(
            "kustomize-controller",
            &["--a", "--watch-label-selector=x=y"],
            1,
            1,
        );
        let preparation = Preparation::of(&facts);
        assert_eq!(preparation.changes[0].op, "replace");
        assert_eq!(
            preparation.changes[0].path,
            "/spec/template/spec/containers/0/args/1"
        );
        assert_eq!(
            preparation.changes[0].value,
            "--watch-label-selector=x=y,!sharding.fluxcd.io/key"
        );
        assert!(!preparation.is_done());
    }

    #[test]
    fn a_shard_of_stock_is_left_as_it_is() {
        let mut facts = healthy();
        let shard = "--watch-label-selector=sharding.fluxcd.io/key in (shard1, shard2)";
        facts.world.stock[0] = deployment("kustomize-controller", &[shard], 1, 1);
        let preparation = Preparation::of(&facts);
        assert_eq!(preparation.changes, []);
        assert!(preparation.is_done());
    }
}

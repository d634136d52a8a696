//! How an object returns to stock: by which means, and by whom.

use std::collections::BTreeMap;

use flux_api::ObjectKey;
use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::MOVED_FROM;
use crate::carrier::{MANAGER, is_set_by_hand, label_managers};
use crate::{DeployerKind, Handle};

/// What has to be done so that an object returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Return {
    /// Nothing: it does not carry the label.
    Nothing,
    /// Take away the fields of this tool; the label had no other owner.
    Remove,
    /// Take away the label, which others set in the cluster, with the fields of this tool.
    Strip,
    /// Put back the value that the label had before.
    Restore(String),
    /// Git has the label too: it is to be reverted there.
    InGit(Vec<String>),
}

/// Says how an object returns.
pub fn way_back(meta: &ObjectMeta, (key, value): &(String, String)) -> Return {
    let labels = meta.labels.as_ref();
    if labels.and_then(|labels| labels.get(key)) != Some(value) {
        return Return::Nothing;
    }
    let managers = label_managers(meta, key);
    let is_of_git =
        |manager: &&String| *manager != MANAGER && !is_set_by_hand(std::slice::from_ref(*manager));
    let of_git: Vec<_> = managers.iter().filter(is_of_git).cloned().collect();
    if !of_git.is_empty() {
        return Return::InGit(of_git);
    }
    let annotations = meta.annotations.as_ref();
    let former = annotations.and_then(|annotations| annotations.get(MOVED_FROM));
    if let Some(former) = former.filter(|former| !former.is_empty()) {
        return Return::Restore(former.clone());
    }
    if managers == [MANAGER] {
        Return::Remove
    } else {
        Return::Strip
    }
}

/// The lines of `kubectl` that give all moved objects back, without this tool and without our controller, in the order in which they are
/// typed: the label is the whole state.
///
/// Objects that had another value before, those of a shard of stock, get it back first, by name; then all others lose the label.
pub fn back_lines<'a>(
    (key, value): (&str, &str),
    former: impl IntoIterator<Item = (&'a Handle, &'a str)>,
) -> Vec<String> {
    let mut shards: BTreeMap<(DeployerKind, &str, &str), Vec<&str>> = BTreeMap::new();
    for (handle, former) in former.into_iter().filter(|(_, former)| !former.is_empty()) {
        let ObjectKey { namespace, name } = &handle.key;
        shards
            .entry((handle.kind, namespace, former))
            .or_default()
            .push(name);
    }
    let mut lines: Vec<String> = shards
        .into_iter()
        .map(|((kind, namespace, former), names)| {
            let (kind, names) = (kind.short(), names.join(" "));
            format!("kubectl label {kind} -n {namespace} {names} {key}={former} --overwrite")
        })
        .collect();
    let kinds = DeployerKind::ALL.map(DeployerKind::short).join(",");
    lines.push(format!("kubectl label {kinds} -A -l {key}={value} {key}-"));
    lines
}

/// What a stock controller does about the label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It selects objects that carry the label.
    Selects,
    /// It does not, by this requirement of its selector; these are its arguments without it.
    Excludes {
        /// The arguments.
        arguments: Vec<String>,
    },
}

/// The flag by which stock excludes.
const SELECTOR_FLAG: &str = "--watch-label-selector=";

/// Says what the container of a stock controller does about a label, and how its arguments are without the exclusion.
pub fn exclusion(container: &Container, (key, value): &(String, String)) -> Exclusion {
    let excludes = |requirement: &str| {
        let requirement = requirement.trim();
        requirement == format!("!{key}") || requirement == format!("{key}!={value}")
    };
    let mut found = false;
    let mut arguments = Vec::new();
    for argument in container.args.iter().flatten() {
        let Some(selector) = argument.strip_prefix(SELECTOR_FLAG) else {
            arguments.push(argument.clone());
            continue;
        };
        let rest: Vec<_> = selector
            .split(',')
            .filter(|requirement| !excludes(requirement))
            .collect();
        if rest.len() == selector.split(',').count() {
            arguments.push(argument.clone());
            continue;
        }
        found = true;
        if !rest.is_empty() {
            arguments.push(format!("{SELECTOR_FLAG}{}", rest.join(",")));
        }
    }
    if found {
        Exclusion::Excludes { arguments }
    } else {
        Exclusion::Selects
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEY: &str = flux_api::SHARD_KEY;

    fn label() -> (String, String) {
        (KEY.to_owned(), "openflux".to_owned())
    }

    fn back(managers: &[&str], value: &str, former: Option<&str>) -> Return {
        let entries: Vec<Value> = managers
            .iter()
            .map(|manager| {
                json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                       "fieldsV1": {"f:metadata": {"f:labels": {format!("f:{KEY}"): {}}}}})
            })
            .collect();
        let mut meta = json!({"labels": {KEY: value}, "managedFields": entries});
        if let Some(former) = former {
            meta["annotations"] = json!({MOVED_FROM: former});
        }
        way_back(&serde_json::from_value(meta).unwrap(), &label())
    }

    #[test]
    fn the_owners_of_the_label_say_how_it_goes() {
        let git =
            |managers: &[&str]| Return::InGit(managers.iter().map(|manager| (*manager).to_owned()).collect());
        for (managers, expected) in [
            (&[MANAGER][..], Return::Remove),
            (&["kubectl-label"], Return::Strip),
            (&["kubectl-label", MANAGER], Return::Strip),
            (&[], Return::Strip),
            (&["kustomize-controller"], git(&["kustomize-controller"])),
            (&["kustomize-controller", MANAGER], git(&["kustomize-controller"])),
            (&["terraform"], git(&["terraform"])),
        ] {
            assert_eq!(back(managers, "openflux", None), expected, "{managers:?}");
        }
        assert_eq!(back(&[MANAGER], "shard1", None), Return::Nothing);
        assert_eq!(back(&[MANAGER], "openflux", Some("")), Return::Remove);
        assert_eq!(
            back(&[MANAGER], "openflux", Some("shard1")),
            Return::Restore("shard1".to_owned())
        );
        assert_eq!(
            back(&[MANAGER, "kustomize-controller"], "openflux", Some("shard1")),
            git(&["kustomize-controller"])
        );
    }

    #[test]
    fn the_way_back_without_us_is_kubectl_alone() {
        let tenant = Handle::new(DeployerKind::HelmRelease, "tenant", "redis");
        let other = Handle::new(DeployerKind::Kustomization, "apps", "app");
        assert_eq!(
            back_lines((KEY, "openflux"), [(&tenant, "shard1"), (&other, "")]),
            [
                "kubectl label hr -n tenant redis sharding.fluxcd.io/key=shard1 --overwrite",
                "kubectl label ks,hr -A -l sharding.fluxcd.io/key=openflux sharding.fluxcd.io/key-",
            ]
        );
    }

    #[test]
    fn an_exclusion_is_taken_out_of_the_arguments() {
        let ask = |arguments: &[&str]| {
            let container = Container {
                args: Some(arguments.iter().map(|argument| (*argument).to_owned()).collect()),
                ..Container::default()
            };
            match exclusion(&container, &label()) {
                Exclusion::Selects => None,
                Exclusion::Excludes { arguments } => Some(arguments.join(" ")),
            }
        };
        assert_eq!(ask(&["--a", "--b=c"]), None);
        assert_eq!(ask(&["--watch-label-selector=x=y"]), None);
        let flag = |selector: &str| format!("--watch-label-selector={selector}");
        assert_eq!(
            ask(&["--a", &flag(&format!("!{KEY}")), "--b"]).as_deref(),
            Some("--a --b")
        );
        assert_eq!(
            ask(&[&flag(&format!("x=y, !{KEY}"))]).as_deref(),
            Some("--watch-label-selector=x=y")
        );
        assert_eq!(ask(&[&flag(&format!("{KEY}!=openflux"))]).as_deref(), Some(""));
    }
}

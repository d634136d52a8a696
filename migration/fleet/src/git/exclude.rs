//! The patch by which stock's Deployments leave labelled objects alone, put where a checkout defines them.

use std::collections::BTreeSet;

use flux_api::ObjectKey;
use serde_json::Value;

use super::change::document;
use super::checkout::Checkout;
use super::kustomizations::way_to;
use super::patch::add_items;
use super::repository::{Built, Cluster, Repository, Root};

/// The flag by which a controller of stock selects.
const FLAG: &str = "--watch-label-selector=";

/// A change of an argument of Deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The names of the Deployments.
    pub names: Vec<String>,
    /// `add` or `replace`.
    pub op: &'static str,
    /// The JSON pointer.
    pub path: String,
    /// The argument.
    pub value: String,
}

/// What brings the Deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A kustomization file, beside the manifests that `flux bootstrap` writes.
    Kustomization,
    /// A FluxInstance, by namespace and name.
    Instance(ObjectKey),
}

/// What changes in a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The file.
    pub file: String,
    /// The first line that is new.
    pub line: usize,
    /// The file with the patch.
    pub text: Vec<u8>,
    /// How many roots were built before and after.
    pub roots: usize,
}

/// Puts the patch where the Deployments of one cluster are defined; nothing if the checkout has it already.
///
/// # Errors
/// Says why that is for a person to do.
pub fn exclude(
    checkout: &Checkout,
    repository: &Repository,
    cluster: &Cluster,
    holder: &Holder,
    arguments: &[Argument],
) -> Result<Option<Excluded>, String> {
    let others = |file: &String| {
        let others = repository.clusters.iter();
        let mut others = others.filter(|other| other.path != cluster.path);
        others.any(|other| other.files.contains(file) || other.kustomizations.contains(file))
    };
    let missing = missing(cluster, holder, arguments);
    if missing.is_empty() {
        return Ok(None);
    }
    let arguments = &missing[..];
    let (file, document, path) = match holder {
        Holder::Kustomization => (kustomization(checkout, cluster, arguments)?, 0, &[][..]),
        Holder::Instance(key) => {
            let built = instance(cluster, key)?;
            let file = built.origin.clone().ok_or("the FluxInstance is generated")?;
            let text = checkout.get(&file).ok_or("its file is not there")?;
            let document = document(text, built)?;
            (file, document, &["spec", "kustomize"][..])
        }
    };
    if others(&file) {
        return Err(format!(
            "{file} is used by several clusters, and the patch would be for all of them"
        ));
    }
    let text = checkout.get(&file).ok_or("its file is not there")?;
    let items: Vec<_> = arguments.iter().map(item).collect();
    let edit = add_items(text, document, path, &items).map_err(|refusal| format!("{file}: {refusal}"))?;
    let mut edited = checkout.clone();
    edited.set(&file, edit.text.clone());
    let roots = check(repository, &repository.again(&edited), cluster, holder, arguments)?;
    Ok(Some(Excluded {
        file,
        line: edit.line,
        text: edit.text,
        roots,
    }))
}

/// The changes of those Deployments that do not have theirs in the checkout already.
fn missing(cluster: &Cluster, holder: &Holder, arguments: &[Argument]) -> Vec<Argument> {
    let is_missing = |argument: &Argument, name: &str| match holder {
        Holder::Kustomization => !is_done(cluster, argument, name),
        Holder::Instance(key) => {
            let built = instance(cluster, key).ok();
            let patches = built.and_then(|built| built.object.pointer("/spec/kustomize/patches"));
            let mut patches = patches.and_then(Value::as_array).into_iter().flatten();
            !patches.any(|patch| patches_name(patch, name, &argument.value))
        }
    };
    let missing = arguments.iter().map(|argument| Argument {
        names: argument
            .names
            .iter()
            .filter(|name| is_missing(argument, name))
            .cloned()
            .collect(),
        ..argument.clone()
    });
    missing.filter(|argument| !argument.names.is_empty()).collect()
}

/// Whether a patch of a FluxInstance, whose Deployments no checkout has, gives a Deployment this argument.
fn patches_name(patch: &Value, name: &str, value: &str) -> bool {
    let text = patch["patch"].as_str().unwrap_or_default();
    if !text.contains(value) {
        return false;
    }
    match patch.pointer("/target/name").and_then(Value::as_str) {
        Some(target) => {
            let target = target.trim_start_matches(['^', '(']).trim_end_matches(['$', ')']);
            // Which names other expressions mean is for whoever wrote them to know.
            let is_odd = target.contains(['.', '*', '+', '?', '[', '\\', '(']);
            is_odd || target.split('|').any(|part| part == name)
        }
        None => patch["target"].is_object() || text.contains(name),
    }
}

/// The lines of the patch, as an item of `patches`.
fn item(argument: &Argument) -> Vec<String> {
    let names = match &argument.names[..] {
        [name] => name.clone(),
        names => format!("({})", names.join("|")),
    };
    vec![
        format!("target: {{kind: Deployment, name: {names}}}"),
        "patch: |".to_owned(),
        format!(
            "  - {{op: {}, path: {}, value: \"{}\"}}",
            argument.op, argument.path, argument.value
        ),
    ]
}

/// The Deployments that change, as a cluster's roots make them.
fn deployments<'a>(
    cluster: &'a Cluster,
    arguments: &'a [Argument],
) -> impl Iterator<Item = (&'a Root, &'a Built, &'a Argument)> {
    cluster.objects().filter_map(move |(root, built)| {
        let argument = of(built, arguments)?;
        Some((root, built, argument))
    })
}

fn of<'a>(built: &Built, arguments: &'a [Argument]) -> Option<&'a Argument> {
    let is_deployment = built.group == "apps" && built.kind == "Deployment";
    let mut arguments = arguments.iter();
    arguments.find(|argument| is_deployment && argument.names.contains(&built.key.name))
}

/// Whether a Deployment has its argument already, which has not come to the cluster yet.
fn is_done(cluster: &Cluster, argument: &Argument, name: &str) -> bool {
    let list = argument.path.rsplit_once('/').map_or("", |(list, _)| list);
    let found = deployments(cluster, std::slice::from_ref(argument));
    let mut found = found.filter(|(_, built, _)| built.key.name == name).peekable();
    found.peek().is_some()
        && found.all(|(_, built, _)| {
            let mut arguments = built
                .object
                .pointer(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            arguments.any(|present| present.as_str() == Some(&argument.value))
        })
}

/// The kustomization file that is nearest to where the Deployments are written.
fn kustomization(checkout: &Checkout, cluster: &Cluster, arguments: &[Argument]) -> Result<String, String> {
    let mut files = BTreeSet::new();
    for (root, built, _) in deployments(cluster, arguments) {
        let Some(origin) = &built.origin else {
            return Err(format!("Deployment {} is generated", built.key));
        };
        let way = way_to(checkout, &root.path, origin);
        let nearest = way.last().ok_or_else(|| {
            format!(
                "no kustomization.yaml names {origin}: write one beside it, with the patch that is shown without --git"
            )
        })?;
        files.insert(nearest.clone());
    }
    let mut files = files.into_iter();
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file),
        (None, _) => Err("no root of this checkout makes the Deployments".to_owned()),
        (Some(_), Some(_)) => Err("the Deployments come from several folders of this checkout".to_owned()),
    }
}

fn instance<'a>(cluster: &'a Cluster, key: &ObjectKey) -> Result<&'a Built, String> {
    let mut found = cluster.objects().filter(|(_, built)| {
        built.group == "fluxcd.controlplane.io" && built.kind == "FluxInstance" && built.key == *key
    });
    let found = found.next().map(|(_, built)| built);
    found.ok_or_else(|| format!("no root of this checkout makes FluxInstance {key}"))
}

/// Compares what every root of every cluster was built to before and after: the argument on the Deployments that are meant, or the
/// patches of the FluxInstance, are all that may differ.
fn check(
    before: &Repository,
    after: &Repository,
    cluster: &Cluster,
    holder: &Holder,
    arguments: &[Argument],
) -> Result<usize, String> {
    if before.clusters.len() != after.clusters.len() {
        return Err("the number of clusters would change".to_owned());
    }
    let (mut roots, mut changed) = (0, BTreeSet::new());
    for (was, is) in before.clusters.iter().zip(&after.clusters) {
        if was.path != is.path || was.roots.len() != is.roots.len() {
            return Err(format!("the roots of ./{} would change", was.path));
        }
        for (had, has) in was.roots.iter().zip(&is.roots) {
            let Ok(objects) = &had.built else { continue };
            let made = has.built.as_ref();
            let made = made.map_err(|why| format!("{} would not be built any more: {why}", had.handle))?;
            roots += 1;
            if objects.len() != made.len() {
                return Err(format!("the number of objects would change, in {}", had.handle));
            }
            for (before, after) in objects.iter().zip(made) {
                if before.object == after.object {
                    continue;
                }
                let meant = was.path == cluster.path
                    && match holder {
                        Holder::Kustomization => {
                            of(before, arguments).is_some_and(|argument| is_changed(before, after, argument))
                        }
                        Holder::Instance(key) => {
                            before.key == *key && has_more_patches(before, after, arguments.len())
                        }
                    };
                if !meant {
                    return Err(format!(
                        "{} {} would change otherwise than it should, in {}",
                        before.kind, before.key, had.handle
                    ));
                }
                changed.insert(before.key.name.clone());
            }
        }
    }
    let mut wanted = arguments.iter().flat_map(|argument| &argument.names);
    match holder {
        Holder::Kustomization => match wanted.find(|name| !changed.contains(*name)) {
            Some(name) => Err(format!("Deployment {name} would not change")),
            None => Ok(roots),
        },
        Holder::Instance(_) if changed.is_empty() => Err("the FluxInstance would not change".to_owned()),
        Holder::Instance(_) => Ok(roots),
    }
}

/// Whether two states of a Deployment differ in the argument alone.
fn is_changed(was: &Built, is: &Built, argument: &Argument) -> bool {
    let (Some((list, at)), mut wanted) = (argument.path.rsplit_once('/'), was.object.clone()) else {
        return false;
    };
    let Some(arguments) = wanted.pointer_mut(list).and_then(Value::as_array_mut) else {
        return false;
    };
    let is_selector = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(FLAG));
    let value = Value::from(argument.value.as_str());
    if at == "-" {
        // One that Git has and the cluster has not yet would be there twice.
        if arguments.iter().any(is_selector) {
            return false;
        }
        arguments.push(value);
    } else {
        let at = at.parse::<usize>().ok();
        match at.and_then(|at| arguments.get_mut(at)) {
            Some(present) if is_selector(present) => *present = value,
            _ => return false,
        }
    }
    wanted == is.object
}

/// Whether two states of a FluxInstance differ in so many more patches.
fn has_more_patches(was: &Built, is: &Built, more: usize) -> bool {
    let patches = |built: &Built| {
        let patches = built.object.pointer("/spec/kustomize/patches");
        patches.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    let (had, has) = (patches(was), patches(is));
    let without = |built: &Built| {
        let mut object = built.object.clone();
        if let Some(kustomize) = object
            .pointer_mut("/spec/kustomize")
            .and_then(Value::as_object_mut)
        {
            kustomize.remove("patches");
        }
        let is_empty = object
            .pointer("/spec/kustomize")
            .and_then(Value::as_object)
            .is_some_and(serde_json::Map::is_empty);
        if let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut)
            && is_empty
        {
            spec.remove("kustomize");
        }
        object
    };
    has.len() == had.len() + more && has[more..] == had[..] && without(was) == without(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

    fn deployment(name: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  namespace: flux-system\nspec:\n  template:\n    spec:\n      containers:\n      - name: manager\n        args:\n        - --log-level=info\n"
        )
    }

    fn checkout(kustomization: &str) -> Checkout {
        let sync = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: flux-system\n  namespace: flux-system\nspec:\n  path: ./clusters/prod\n  sourceRef: {kind: GitRepository, name: flux-system}\n";
        let components = ["kustomize-controller", "helm-controller", "source-controller"].map(deployment);
        let instance = "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata:\n  name: flux\n  namespace: flux-system\nspec:\n  # which\n  distribution:\n    version: 2.x\n";
        let at = |name: &str| format!("clusters/prod/{name}");
        let files = [
            (at("flux-system/gotk-components.yaml"), components.concat()),
            (at("flux-system/gotk-sync.yaml"), sync.to_owned()),
            (at("flux-system/kustomization.yaml"), kustomization.to_owned()),
            (at("flux.yaml"), instance.to_owned()),
        ];
        Checkout::new(files.map(|(path, text)| (path, text.into_bytes())))
    }

    const PLAIN: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: # by bootstrap\n- gotk-components.yaml\n- gotk-sync.yaml\n";

    fn arguments() -> Vec<Argument> {
        vec![Argument {
            names: vec!["kustomize-controller".to_owned(), "helm-controller".to_owned()],
            op: "add",
            path: "/spec/template/spec/containers/0/args/-".to_owned(),
            value: KEY.to_owned(),
        }]
    }

    fn put(checkout: &Checkout, holder: &Holder, arguments: &[Argument]) -> Result<Option<String>, String> {
        let repository = Repository::of(checkout);
        assert_eq!(repository.failures(), Vec::<String>::new());
        let cluster = repository.cluster_at(&["clusters/prod".to_owned()]).unwrap();
        let edit = exclude(checkout, &repository, cluster, holder, arguments)?;
        Ok(edit.map(|edit| {
            format!(
                "{}:{}\n{}",
                edit.file,
                edit.line,
                String::from_utf8(edit.text).unwrap()
            )
        }))
    }

    #[test]
    fn the_patch_goes_beside_what_bootstrap_writes() {
        let edited = put(&checkout(PLAIN), &Holder::Kustomization, &arguments())
            .unwrap()
            .unwrap();
        let patch = format!(
            "patches:\n- target: {{kind: Deployment, name: (kustomize-controller|helm-controller)}}\n  patch: |\n    - {{op: add, path: /spec/template/spec/containers/0/args/-, value: \"{KEY}\"}}\n"
        );
        assert_eq!(
            edited,
            format!("clusters/prod/flux-system/kustomization.yaml:6\n{PLAIN}{patch}")
        );
        // It is there already.
        let again = checkout(&format!("{PLAIN}{patch}"));
        assert_eq!(put(&again, &Holder::Kustomization, &arguments()), Ok(None));
        // With other patches it comes first.
        let others = format!(
            "{PLAIN}patches:\n  - patch: |\n      - {{op: add, path: /metadata/labels, value: {{a: b}}}}\n    target: {{kind: Deployment, name: source-controller}}\n"
        );
        let edited = put(&checkout(&others), &Holder::Kustomization, &arguments())
            .unwrap()
            .unwrap();
        assert!(
            edited.contains("patches:\n  - target: {kind: Deployment, name: (kustomize-controller|helm-controller)}\n    patch: |\n      - {op: add"),
            "{edited}"
        );
    }

    #[test]
    fn a_deployment_that_has_no_patch_yet_gets_one() {
        let one = format!(
            "{PLAIN}patches:\n- target: {{kind: Deployment, name: kustomize-controller}}\n  patch: |\n    - {{op: add, path: /spec/template/spec/containers/0/args/-, value: \"{KEY}\"}}\n"
        );
        let edited = put(&checkout(&one), &Holder::Kustomization, &arguments())
            .unwrap()
            .unwrap();
        assert!(
            edited.contains("- target: {kind: Deployment, name: helm-controller}")
                && edited.contains(&one[PLAIN.len() + 9..]),
            "{edited}"
        );
        let patch = |target: &str| serde_json::json!({"target": {"name": target}, "patch": KEY});
        for (target, expected) in [
            ("helm-controller", true),
            ("(kustomize-controller|helm-controller)", true),
            ("^(helm-controller)$", true),
            (".*-controller", true),
            ("kustomize-controller", false),
        ] {
            assert_eq!(
                patches_name(&patch(target), "helm-controller", KEY),
                expected,
                "{target}"
            );
        }
        assert!(!patches_name(
            &patch("helm-controller"),
            "helm-controller",
            "another"
        ));
    }

    #[test]
    fn the_patch_goes_into_a_flux_instance() {
        let holder = Holder::Instance(ObjectKey::new("flux-system", "flux"));
        let edited = put(&checkout(PLAIN), &holder, &arguments()).unwrap().unwrap();
        assert!(
            edited.contains("spec:\n  kustomize:\n    patches:\n    - target: {kind: Deployment, name: (kustomize-controller|helm-controller)}\n      patch: |\n        - {op: add"),
            "{edited}"
        );
        let other = Holder::Instance(ObjectKey::new("flux-system", "other"));
        let why = put(&checkout(PLAIN), &other, &arguments()).unwrap_err();
        assert_eq!(
            why,
            "no root of this checkout makes FluxInstance flux-system/other"
        );
    }

    #[test]
    fn what_git_has_otherwise_than_the_cluster_is_for_a_person() {
        let mut all = arguments();
        all[0].op = "replace";
        all[0].path = "/spec/template/spec/containers/0/args/0".to_owned();
        let why = put(&checkout(PLAIN), &Holder::Kustomization, &all).unwrap_err();
        assert!(why.contains("would change otherwise"), "{why}");
        let mut all = arguments();
        all[0].names = vec!["notification-controller".to_owned()];
        let why = put(&checkout(PLAIN), &Holder::Kustomization, &all).unwrap_err();
        assert_eq!(why, "no root of this checkout makes the Deployments");
    }
}

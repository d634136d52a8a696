//! Repositories as people lay them out, and where labels go in each.

use super::*;
use crate::Handle;

const LABEL: (&str, &str) = ("sharding.fluxcd.io/key", "openflux");

fn kustomization(name: &str, path: &str) -> String {
    format!(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata:\n  name: {name}\n  namespace: flux-system\nspec:\n  interval: 10m # often\n  path: ./{path}\n  prune: true\n  sourceRef:\n    kind: GitRepository\n    name: flux-system\n"
    )
}

fn release(name: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: {name} # the release\n  namespace: apps\nspec:\n  interval: 10m\n"
    )
}

/// Two clusters that share a base, as the example of Flux has it.
fn checkout() -> Checkout {
    let resources = |list: &[&str]| {
        let items = list.join("\n  - ");
        format!("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  - {items}\n")
    };
    let mut files = Vec::new();
    for cluster in ["staging", "production"] {
        let at = |name: &str| format!("clusters/{cluster}/{name}");
        let sync = kustomization("flux-system", &format!("clusters/{cluster}"));
        files.push((at("flux-system/gotk-sync.yaml"), sync));
        files.push((
            at("flux-system/kustomization.yaml"),
            resources(&["gotk-sync.yaml"]),
        ));
        files.push((at("apps.yaml"), kustomization("apps", &format!("apps/{cluster}"))));
        files.push((
            format!("apps/{cluster}/kustomization.yaml"),
            resources(&["../base/podinfo", "own.yaml"]),
        ));
        files.push((format!("apps/{cluster}/own.yaml"), release("own")));
    }
    files.push((
        "apps/base/podinfo/kustomization.yaml".to_owned(),
        resources(&["release.yaml"]),
    ));
    files.push(("apps/base/podinfo/release.yaml".to_owned(), release("podinfo")));
    files.push(("README.md".to_owned(), "# fleet".to_owned()));
    Checkout::new(files.into_iter().map(|(path, text)| (path, text.into_bytes())))
}

fn put(objects: &[&str]) -> Changes {
    let checkout = checkout();
    let repository = Repository::of(&checkout);
    assert_eq!(repository.failures(), Vec::<String>::new());
    let cluster = repository.cluster_at(&["./clusters/staging".to_owned()]).unwrap();
    let objects: Vec<Handle> = objects.iter().map(|object| object.parse().unwrap()).collect();
    label(&checkout, &repository, cluster, &objects, LABEL)
}

#[test]
fn clusters_are_told_from_what_they_apply() {
    let repository = Repository::of(&checkout());
    let paths: Vec<_> = repository
        .clusters
        .iter()
        .map(|cluster| cluster.path.as_str())
        .collect();
    assert_eq!(paths, ["clusters/production", "clusters/staging"]);
    for cluster in &repository.clusters {
        let mut roots: Vec<_> = cluster.roots.iter().map(|root| root.handle.to_string()).collect();
        roots.sort();
        assert_eq!(roots, ["ks/flux-system/apps", "ks/flux-system/flux-system"]);
        assert!(cluster.files.contains("apps/base/podinfo/release.yaml"));
    }
}

#[test]
fn an_object_of_one_cluster_is_labelled_in_its_own_file() {
    let changes = put(&["hr/apps/own", "ks/flux-system/apps"]);
    assert_eq!(changes.unplaced, []);
    let places: Vec<_> = changes
        .labelled
        .iter()
        .map(|place| format!("{} {}:{}", place.carrier, place.file, place.line))
        .collect();
    assert_eq!(
        places,
        [
            "git-file apps/staging/own.yaml:6",
            "git-file clusters/staging/apps.yaml:6"
        ]
    );
    assert_eq!(changes.roots, 4);
    let text = String::from_utf8(changes.files["apps/staging/own.yaml"].clone()).unwrap();
    assert!(text.contains("  name: own # the release\n  namespace: apps\n  labels:\n    sharding.fluxcd.io/key: openflux\nspec:"), "{text}");
}

#[test]
fn an_object_of_several_clusters_is_patched_where_they_part() {
    let changes = put(&["hr/apps/podinfo"]);
    assert_eq!(changes.unplaced, []);
    assert_eq!(changes.labelled[0].carrier, "git-patch");
    assert_eq!(changes.labelled[0].file, "apps/staging/kustomization.yaml");
    let text = String::from_utf8(changes.files["apps/staging/kustomization.yaml"].clone()).unwrap();
    assert!(text.ends_with("patches:\n- patch: |\n    apiVersion: helm.toolkit.fluxcd.io/v2\n    kind: HelmRelease\n    metadata:\n      name: podinfo\n      namespace: apps\n      labels:\n        sharding.fluxcd.io/key: openflux\n"), "{text}");
}

#[test]
fn what_bootstrap_writes_is_patched_beside_it() {
    let changes = put(&["ks/flux-system/flux-system"]);
    assert_eq!(changes.unplaced, []);
    assert_eq!(
        changes.labelled[0].file,
        "clusters/staging/flux-system/kustomization.yaml"
    );
}

#[test]
fn where_no_kustomization_file_is_on_the_way_the_parent_patches() {
    let mut checkout = checkout();
    // Both clusters apply one folder without a kustomization file.
    for cluster in ["staging", "production"] {
        let text = kustomization("infra", "infra").into_bytes();
        checkout.set(&format!("clusters/{cluster}/infra.yaml"), text);
    }
    checkout.set("infra/release.yaml", release("ingress").into_bytes());
    let repository = Repository::of(&checkout);
    let cluster = repository.cluster_at(&["clusters/staging".to_owned()]).unwrap();
    let object = ["hr/apps/ingress".parse().unwrap()];
    let changes = label(&checkout, &repository, cluster, &object, LABEL);
    assert_eq!(changes.unplaced, []);
    assert_eq!(changes.labelled[0].carrier, "git-parent");
    let text = String::from_utf8(changes.files["clusters/staging/infra.yaml"].clone()).unwrap();
    assert!(
        text.contains("spec:\n  patches:\n  - patch: |\n      apiVersion: helm.toolkit.fluxcd.io/v2\n"),
        "{text}"
    );
    assert!(text.contains("  interval: 10m # often\n"), "{text}");
}

#[test]
fn a_cluster_may_begin_where_only_its_owner_knows() {
    let files = [
        ("fleet/home/apps.yaml", kustomization("apps", "apps/elsewhere")),
        ("fleet/home/own.yaml", release("own")),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.into_bytes()));
    let checkout = Checkout::new(files);
    assert!(Repository::of(&checkout).clusters.is_empty());
    let repository = Repository::starting_at(&checkout, Some("./fleet/home"));
    let cluster = repository.cluster_at(&["fleet/home".to_owned()]).unwrap();
    let objects = [
        "hr/apps/own".parse().unwrap(),
        "ks/flux-system/apps".parse().unwrap(),
    ];
    let changes = label(&checkout, &repository, cluster, &objects, LABEL);
    assert_eq!((changes.labelled.len(), changes.roots), (2, 1), "{changes:?}");
}

#[test]
fn what_a_label_would_spread_to_is_left_alone() {
    let changes = put(&["hr/apps/none"]);
    assert_eq!(changes.labelled, []);
    assert_eq!(changes.unplaced[0].why, "no root of this checkout makes it");
    let mut checkout = checkout();
    // Two objects are made of one file by one cluster.
    let twice = kustomization("twice", "apps/staging")
        .replace("  prune: true\n", "  prune: true\n  nameSuffix: -twice\n");
    checkout.set("clusters/staging/twice.yaml", twice.into_bytes());
    let repository = Repository::of(&checkout);
    let cluster = repository.cluster_at(&["clusters/staging".to_owned()]).unwrap();
    let objects = [
        "hr/apps/own".parse().unwrap(),
        "ks/flux-system/apps".parse().unwrap(),
    ];
    let changes = label(&checkout, &repository, cluster, &objects, LABEL);
    assert_eq!(changes.labelled.len(), 1, "{changes:?}");
    let why = &changes.unplaced[0].why;
    assert!(
        why.contains("HelmRelease apps/own-twice would change too"),
        "{why}"
    );
}

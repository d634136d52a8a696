//! Prepared clusters, and what the checks say about each.

use flux_api::{GitRepository, ObjectKey, Tolerant};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::*;
use crate::codes::Code;
use crate::owner::OPENFLUX;
use crate::owner::tests::deployment;
use crate::world::Describe;
use crate::{DeployerKind, Handle, World};

const EXCLUDED: &str = "--watch-label-selector=!sharding.fluxcd.io/key";

fn definition(name: &str, version: &str, schema: &Value) -> CustomResourceDefinition {
    let (plural, group) = name.split_once('.').unwrap();
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"group": group, "names": {"kind": "K", "plural": plural}, "scope": "Namespaced",
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]},
        "status": {"storedVersions": [version]},
    }))
    .unwrap()
}

fn definitions() -> Vec<CustomResourceDefinition> {
    let source_ref = json!({"type": "object", "properties": {"kind": {"type": "string", "enum":
        ["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"]}}});
    let spec = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"sourceRef": source_ref}}}});
    let status = json!({"type": "object", "properties": {"status": {"type": "object", "properties": {"conditions": {"type": "array"}}}}});
    let plain = || json!({"type": "object"});
    let source = |plural: &str| definition(&format!("{plural}.source.toolkit.fluxcd.io"), "v1", &plain());
    let mut all = vec![
        definition("kustomizations.kustomize.toolkit.fluxcd.io", "v1", &spec),
        definition("helmreleases.helm.toolkit.fluxcd.io", "v2", &plain()),
        definition("artifacts.openfluxcd.ocm.software", "v1alpha1", &status),
    ];
    let sources = [
        "gitrepositories",
        "ocirepositories",
        "buckets",
        "helmrepositories",
        "helmcharts",
        "externalartifacts",
    ];
    all.extend(sources.map(source));
    all
}

fn with_memory(
    mut deployment: k8s_openapi::api::apps::v1::Deployment,
) -> k8s_openapi::api::apps::v1::Deployment {
    let pod = deployment.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    pod.containers[0].resources = serde_json::from_value(json!({"limits": {"memory": "1Gi"}})).unwrap();
    pod.containers[0].image = Some("openflux-controller:0.1.0".to_owned());
    deployment
}

pub(crate) fn kustomization(name: &str, change: &Value) -> Tolerant<flux_api::Kustomization> {
    let mut object = json!({
        "metadata": {"name": name, "namespace": "apps", "generation": 1},
        "spec": {"sourceRef": {"kind": "GitRepository", "name": "app"}},
        "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "reason": "R",
            "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    for (pointer, value) in change.as_object().into_iter().flatten() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

/// A cluster in which everything is as it should be.
pub(crate) fn healthy() -> Facts {
    let artifact = json!({"url": "http://source-controller.flux-system.svc.cluster.local./a.tar.gz",
        "path": "a", "digest": "sha256:00", "revision": "main@sha1:00"});
    let source: GitRepository = serde_json::from_value(json!({
        "metadata": {"name": "app", "namespace": "apps", "generation": 1},
        "spec": {"url": "https://example.com/app"}, "status": {"artifact": artifact},
    }))
    .unwrap();
    let mirror = json!({
        "metadata": {"name": "gitrepository-apps-app", "namespace": "apps",
            "ownerReferences": [{"apiVersion": "v1", "kind": "GitRepository", "name": "app", "uid": "1"}],
            "managedFields": [{"manager": artifact_crd::ADAPTER_MANAGER, "operation": "Apply"}]},
        "spec": {"url": "http://a", "digest": "sha256:00", "revision": "main@sha1:00"},
    });
    Facts {
        world: World {
            kubernetes: "v1.36.3".to_owned(),
            stock: vec![
                deployment("kustomize-controller", &[EXCLUDED], 1, 1),
                deployment("helm-controller", &[EXCLUDED], 1, 1),
                deployment("source-controller", &[], 1, 1),
            ],
            ours: vec![with_memory(deployment(OPENFLUX, &["run"], 1, 1))],
            kustomizations: vec![kustomization("app", &json!({}))],
            sources: vec![source.state()],
            artifacts: vec![serde_json::from_value(mirror).unwrap()],
            ..World::default()
        },
        tool_version: "0.1.0".to_owned(),
        before_installation: false,
        definitions: Ok(definitions()),
        webhooks: Ok(Vec::new()),
        admission: Ok(Vec::new()),
        network: Ok(Vec::new()),
        namespaces: Ok(Vec::new()),
        pods: Ok(Vec::new()),
        leases: Ok(Vec::new()),
        instances: Ok(Vec::new()),
        labelled: Ok(Vec::new()),
        rights: Vec::new(),
        refusals: Vec::new(),
        skew: Some(0),
    }
}

/// The codes that are not passed, each with its worst level.
fn findings(facts: &Facts) -> Vec<(&'static str, Level)> {
    let diagnosis = Diagnosis::of(facts, &[]);
    let checks = diagnosis
        .checks
        .iter()
        .filter(|check| check.level() != Level::Passed);
    checks.map(|check| (check.code, check.level())).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Facts), expected: &[(&str, Level)]) {
    let mut facts = healthy();
    change(&mut facts);
    assert_eq!(findings(&facts), expected);
}

const BAD: Level = Level::Failure;
const ODD: Level = Level::Warning;

#[test]
fn a_healthy_cluster_passes_every_check() {
    check(|_| {}, &[]);
    let diagnosis = Diagnosis::of(&healthy(), &[]);
    assert_eq!(diagnosis.checks.len(), CHECKS.len());
    let lines = diagnosis.lines(Style::default(), false);
    assert_eq!(
        lines[0],
        "Kubernetes v1.36.3  Flux v2.9.5  openflux 0.1.0   32 checks"
    );
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[test]
fn every_check_is_explained() {
    for (code, group, ..) in CHECKS {
        assert!(Code::find(code).is_some(), "{code}");
        assert!(GROUPS.contains(group), "{group}");
    }
}

#[test]
fn what_stock_selects_is_found_with_the_patch_that_helps() {
    check(
        |facts| {
            facts.world.stock.push(deployment(
                "helm-controller",
                &["--watch-all-namespaces=true"],
                1,
                1,
            ));
        },
        &[("D121", BAD)],
    );
    check(
        |facts| {
            facts.world.stock[0] = deployment("kustomize-controller", &["--watch-label-selector=a in"], 1, 1);
        },
        &[("D113", BAD), ("D121", BAD)],
    );
    check(
        |facts| {
            facts.world.stock[0] = deployment(
                "kustomize-controller",
                &["--watch-label-selector=x", EXCLUDED],
                1,
                1,
            );
        },
        &[("D124", ODD)],
    );
    let mut facts = healthy();
    facts.world.stock[0] = deployment("kustomize-controller", &[], 1, 1);
    let lines = Diagnosis::of(&facts, &["exclusion".to_owned()]).lines(Style::default(), false);
    let text = lines.join("\n");
    for part in [
        "✗ D121 flux-system/kustomize-controller selects objects that are labelled sharding.fluxcd.io/key=openflux",
        "it has no --watch-label-selector",
        "- target: {kind: Deployment, name: kustomize-controller}",
        "--watch-label-selector=!sharding.fluxcd.io/key",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn versions_and_definitions_are_looked_at() {
    check(
        |facts| facts.world.kubernetes = "v1.32.0".to_owned(),
        &[("D101", BAD)],
    );
    check(
        |facts| facts.world.kubernetes = "v1.40.0".to_owned(),
        &[("D101", ODD)],
    );
    check(|facts| facts.skew = None, &[("D103", BAD)]);
    check(|facts| facts.skew = Some(-60), &[("D103", ODD)]);
    check(
        |facts| facts.definitions = Err("forbidden".to_owned()),
        &[("D112", BAD), ("D141", BAD)],
    );
    check(
        |facts| {
            facts.definitions.as_mut().unwrap().retain(|known| {
                !known
                    .metadata
                    .name
                    .as_deref()
                    .unwrap_or_default()
                    .starts_with("artifacts")
            });
        },
        &[("D141", BAD)],
    );
    let custom = json!({"/spec/sourceRef": {"kind": "Http", "name": "app"}});
    check(
        |facts| facts.world.kustomizations.push(kustomization("custom", &custom)),
        &[("D112", BAD)],
    );
}

#[test]
fn our_own_side_is_looked_at() {
    check(|facts| facts.world.ours.clear(), &[("D142", BAD)]);
    check(
        |facts| facts.world.ours = vec![with_memory(deployment(OPENFLUX, &["run"], 1, 0))],
        &[("D142", BAD)],
    );
    check(|facts| facts.tool_version = "0.2.0".to_owned(), &[("D142", ODD)]);
    check(
        |facts| facts.world.ours = vec![deployment(OPENFLUX, &["run", "--artifact-hosts=*.svc"], 1, 1)],
        &[("D145", BAD), ("D146", ODD)],
    );
    check(
        |facts| {
            facts.world.ours[0] = with_memory(deployment(
                OPENFLUX,
                &["run", "--controllers=sources,kustomize,helm,bridge"],
                1,
                1,
            ));
        },
        &[("D163", BAD)],
    );
    check(
        |facts| {
            facts.before_installation = true;
            facts.world.ours.clear();
        },
        &[],
    );
}

#[test]
fn sources_and_their_artifacts_are_compared() {
    check(|facts| facts.world.artifacts.clear(), &[("D161", BAD)]);
    check(
        |facts| facts.world.sources[0].artifact.as_mut().unwrap().revision = "main@sha1:01".to_owned(),
        &[("D161", ODD)],
    );
    let labelled = |facts: &mut Facts| {
        facts.world.sources[0]
            .labels
            .insert(flux_api::SHARD_KEY.to_owned(), "openflux".to_owned());
    };
    check(labelled, &[]);
    check(
        |facts| {
            labelled(facts);
            facts.world.stock[2] = deployment("source-controller", &[EXCLUDED], 1, 1);
        },
        &[("D125", BAD)],
    );
}

#[test]
fn objects_without_one_owner_are_found() {
    let label = |value: &str| json!({"/metadata/labels": {flux_api::SHARD_KEY: value}});
    check(
        |facts| {
            facts
                .world
                .kustomizations
                .push(kustomization("moved", &label("openflux")));
        },
        &[],
    );
    check(
        |facts| {
            facts
                .world
                .kustomizations
                .push(kustomization("lost", &label("shard1")));
        },
        &[("D131", BAD), ("D171", BAD)],
    );
    check(
        |facts| {
            facts.world.kustomizations.push(kustomization(
                "next",
                &json!({"/spec/dependsOn": [{"name": "none"}]}),
            ));
        },
        &[("D176", BAD)],
    );
    let inventory = json!({"/status/inventory": {"entries": [{"id": "apps_a__ConfigMap", "v": "v1"}]}});
    check(
        |facts| {
            facts.world.kustomizations = vec![kustomization("a", &inventory), kustomization("b", &inventory)];
        },
        &[("D175", ODD)],
    );
    let by = |manager: &str| {
        serde_json::from_value(json!({"name": "app", "namespace": "apps", "managedFields": [
            {"manager": manager, "operation": "Apply", "fieldsV1": {"f:metadata": {"f:labels": {"f:sharding.fluxcd.io/key": {}}}}}]}))
        .unwrap()
    };
    let handle = || Handle::new(DeployerKind::Kustomization, "apps", "app");
    check(
        |facts| facts.labelled = Ok(vec![(handle(), by("kubectl-label"))]),
        &[("D173", ODD)],
    );
    check(
        |facts| facts.labelled = Ok(vec![(handle(), by("kustomize-controller"))]),
        &[],
    );
}

#[test]
fn tenants_and_other_tools_are_thought_of() {
    let flags = [EXCLUDED, "--no-cross-namespace-refs=true"];
    check(
        |facts| facts.world.stock[0] = deployment("kustomize-controller", &flags, 1, 1),
        &[("D151", BAD), ("D181", ODD), ("D182", ODD)],
    );
    check(
        |facts| facts.instances = Ok(vec![ObjectKey::new("flux-system", "flux")]),
        &[("D191", ODD)],
    );
    check(
        |facts| {
            facts.rights.push(Right {
                who: Who::You,
                verb: "list",
                group: "apps",
                resource: "deployments",
                is_needed: true,
                allowed: Ok(false),
            });
        },
        &[("D102", BAD)],
    );
}

//! Prepared clusters, and what is said about their objects.

use flux_api::{GitRepository, HelmRelease, Kustomization, Tolerant};
use serde_json::{Value, json};

use super::*;
use crate::doctor::tests::{healthy, kustomization};
use crate::doctor::{Facts, Refusal};
use crate::owner::tests::deployment;
use crate::text::Style;
use crate::world::Describe;
use crate::{DeployerKind, Handle};

/// A cluster with these Kustomizations, each settled at the revision of its source.
fn facts(kustomizations: &[(&str, Value)]) -> Facts {
    let mut facts = healthy();
    let settled = |name: &str, change: &Value| -> Tolerant<Kustomization> {
        let mut all = json!({"/status/lastAppliedRevision": "main@sha1:00", "/spec/wait": true});
        for (key, value) in change.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        kustomization(name, &all)
    };
    facts.world.kustomizations = kustomizations
        .iter()
        .map(|(name, change)| settled(name, change))
        .collect();
    facts
}

/// Class and codes of the object `app`.
fn judged(facts: &Facts) -> (Class, Vec<&'static str>) {
    let verdicts = verdicts(facts);
    let app = verdicts
        .iter()
        .find(|verdict| verdict.object.key.name == "app")
        .unwrap();
    (app.class, app.notes.iter().map(|note| note.code).collect())
}

#[track_caller]
fn check(object: Value, change: impl FnOnce(&mut Facts), class: Class, codes: &[&str]) {
    let mut facts = facts(&[("app", object)]);
    change(&mut facts);
    assert_eq!(judged(&facts), (class, codes.to_vec()));
}

#[test]
fn every_object_is_judged_with_a_reason() {
    let none = |_: &mut Facts| {};
    check(json!({}), none, Class::CanMove, &[]);
    check(json!({"/spec/wait": false}), none, Class::CanMove, &["M206"]);
    check(json!({"/spec/suspend": true}), none, Class::Skipped, &["M103"]);
    check(json!({"/metadata/generation": 2}), none, Class::NotNow, &["M104"]);
    check(
        json!({"/status/lastAppliedRevision": "main@sha1:ff"}),
        none,
        Class::NotNow,
        &["M104"],
    );
    check(
        json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}),
        none,
        Class::Cannot,
        &["M118"],
    );
    check(json!({"/spec/path": 7}), none, Class::Cannot, &["M102", "M104"]);
    check(
        json!({}),
        |facts| facts.world.artifacts.clear(),
        Class::Cannot,
        &["M105"],
    );
    check(
        json!({}),
        |facts| facts.world.stock[0] = deployment("kustomize-controller", &[], 1, 1),
        Class::Blocked,
        &["M101"],
    );
    check(
        json!({}),
        |facts| facts.world.ours.clear(),
        Class::Blocked,
        &["M119"],
    );
    let refuse = |facts: &mut Facts| {
        facts.refusals.push(Refusal {
            handle: Handle::new(DeployerKind::Kustomization, "apps", "app"),
            why: "spec.ignore is not supported".to_owned(),
        });
    };
    check(json!({}), refuse, Class::Cannot, &["M102"]);
    check(
        json!({"/spec/kubeConfig": {"secretRef": {"name": "remote"}}}),
        refuse,
        Class::Cannot,
        &["M116"],
    );
    let flux = json!({"entries": [
        {"id": "_gitrepositories.source.toolkit.fluxcd.io_apiextensions.k8s.io_CustomResourceDefinition", "v": "v1"}]});
    check(
        json!({"/status/inventory": flux}),
        none,
        Class::CanMove,
        &["M205"],
    );
}

#[test]
fn what_has_moved_is_told_with_whoever_set_the_label() {
    let labelled = json!({"/metadata/labels": {flux_api::SHARD_KEY: "openflux"}});
    check(labelled.clone(), |_| {}, Class::Moved, &[]);
    let by_hand = |facts: &mut Facts| {
        let meta = json!({"name": "app", "namespace": "apps", "managedFields": [
            {"manager": "openflux-migrate", "operation": "Apply",
             "fieldsV1": {"f:metadata": {"f:labels": {"f:sharding.fluxcd.io/key": {}}}}}]});
        let handle = Handle::new(DeployerKind::Kustomization, "apps", "app");
        facts.labelled = Ok(vec![(handle, serde_json::from_value(meta).unwrap())]);
    };
    check(labelled.clone(), by_hand, Class::Moved, &["M203"]);
    check(
        labelled,
        |facts| facts.world.ours.clear(),
        Class::Blocked,
        &["M119"],
    );
}

#[test]
fn a_release_in_the_middle_of_an_action_waits() {
    let mut facts = facts(&[]);
    let release: Tolerant<HelmRelease> = serde_json::from_value(json!({
        "metadata": {"name": "app", "namespace": "apps", "generation": 1},
        "spec": {"chartRef": {"kind": "GitRepository", "name": "app"}},
        "status": {"observedGeneration": 1,
            "history": [{"status": "pending-upgrade", "name": "app", "namespace": "apps", "version": 2}],
            "conditions": [{"type": "Ready", "status": "Unknown", "reason": "R", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    }))
    .unwrap();
    facts.world.helm_releases.push(release);
    assert_eq!(judged(&facts), (Class::NotNow, vec!["M112", "M104"]));
}

#[test]
fn order_follows_what_a_surprise_would_hurt() {
    let entries =
        json!({"entries": [{"id": "apps_app_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"}]});
    let facts = facts(&[
        ("app", json!({"/spec/dependsOn": [{"name": "base"}]})),
        ("base", json!({})),
        ("parent", json!({"/status/inventory": entries})),
    ]);
    let waves: Vec<_> = verdicts(&facts)
        .iter()
        .map(|verdict| (verdict.object.key.name.clone(), verdict.wave.number()))
        .collect();
    assert_eq!(
        waves,
        [
            ("app".to_owned(), 1),
            ("base".to_owned(), 2),
            ("parent".to_owned(), 3)
        ]
    );
}

#[test]
fn one_screen_says_what_moves_and_why_not() {
    let source: GitRepository = serde_json::from_value(json!({
        "metadata": {"name": "none", "namespace": "apps"}, "spec": {"url": "https://example.com/none"}}))
    .unwrap();
    let mut facts = facts(&[
        ("app", json!({})),
        (
            "waits",
            json!({"/spec/sourceRef": {"kind": "GitRepository", "name": "none"}}),
        ),
        (
            "moved",
            json!({"/metadata/labels": {flux_api::SHARD_KEY: "openflux"}}),
        ),
    ]);
    facts.world.sources.push(source.state());
    let scan = Scan::new("a cluster".to_owned(), &facts.label(), verdicts(&facts));
    assert_eq!(
        scan.lines(Style::default(), &Shown::default()),
        [
            "a cluster",
            "",
            "  STATE          KS  HR  WHY",
            "  can move        1   0",
            "  not now         0   0",
            "  blocked         0   0",
            "  cannot move     1   0  M105 no-artifact (1)",
            "  skipped         0   0",
            "  moved already   1   0",
            "",
            "cannot move",
            "  ks/apps/waits      M105 GitRepository apps/none has no artifact",
            "",
            "order, by what a surprise would hurt",
            "  1  1 object: nothing waits for them",
        ]
    );
    let json = serde_json::to_value(&scan).unwrap();
    assert_eq!(json["kind"], "Scan");
    assert_eq!(json["objects"][1]["notes"][0]["code"], "M105");
    assert_eq!(json["objects"][1]["owner"], "stock");
}

#[test]
fn every_code_is_explained() {
    for code in [
        "M101", "M102", "M103", "M104", "M105", "M112", "M116", "M118", "M119", "M203", "M204", "M205",
        "M206",
    ] {
        assert!(crate::codes::Code::find(code).is_some(), "{code}");
    }
}

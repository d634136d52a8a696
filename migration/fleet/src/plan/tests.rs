//! Prepared clusters and answers, and the plans that are made of them.

use std::collections::BTreeMap;

use flux_api::{Kustomization, Tolerant};
use flux_proof::{Answer, Counts, FieldOwner, Finding, Name, NextUpgrade, Proof, ReleaseProof};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::codes::Code;
use crate::doctor::Facts;
use crate::doctor::tests::{healthy, kustomization};
use crate::git::{Changes, Labelled, Unplaced};
use crate::scan::Class;
use crate::text::Style;
use crate::{DeployerKind, Handle};

fn handle(name: &str) -> Handle {
    Handle::new(DeployerKind::Kustomization, "apps", name)
}

/// A cluster with these Kustomizations, each settled, with two objects each if nothing else is said.
fn facts(kustomizations: &[(&str, Value)]) -> Facts {
    let mut facts = healthy();
    let settled = |(name, change): &(&str, Value)| -> Tolerant<Kustomization> {
        let entry = |what: &str| json!({"id": format!("apps_{name}-{what}__ConfigMap"), "v": "v1"});
        let mut all = json!({
            "/metadata/uid": format!("uid-{name}"), "/status/lastAppliedRevision": "main@sha1:00", "/spec/wait": true,
            "/status/inventory": {"entries": [entry("a"), entry("b")]}});
        for (key, value) in change.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        kustomization(name, &all)
    };
    facts.world.kustomizations = kustomizations.iter().map(settled).collect();
    facts
}

fn asked() -> Asked {
    Asked {
        cluster: ClusterId {
            uid: "kube-system-uid".to_owned(),
            server: "https://10.0.0.1".to_owned(),
            context: "prod-eu".to_owned(),
        },
        versions: Versions {
            tool: "0.1.0".to_owned(),
            controller: "0.1.0".to_owned(),
            flux: "v2.9.5".to_owned(),
            kubernetes: "v1.36.3".to_owned(),
        },
        now: Timestamp::UNIX_EPOCH,
        objects: None,
        wave_by: WaveBy::Size,
        include_roots: false,
    }
}

/// An answer that everything is the same.
fn same(name: &str) -> (Handle, Answer) {
    let counts = Counts {
        compared: 2,
        identical: 2,
        ..Counts::default()
    };
    let answer = Answer {
        object: Name::new("Kustomization", "apps", name),
        proof: Some(Proof {
            version: "0.1.0".to_owned(),
            revision: "main@sha1:00".to_owned(),
            artifact: "sha256:00".to_owned(),
            inputs: format!("sha256:{name}"),
            counts,
            ..Proof::default()
        }),
        ..Answer::default()
    };
    (handle(name), answer)
}

/// The same, but for what was found.
fn found(name: &str, counts: Counts, finding: Finding) -> (Handle, Answer) {
    let (handle, mut answer) = same(name);
    answer.findings.push(finding);
    if let Some(proof) = &mut answer.proof {
        proof.counts = counts;
    }
    (handle, answer)
}

fn drift() -> Finding {
    Finding {
        path: "spec.template.spec.containers[0].image".to_owned(),
        owner: Some(FieldOwner {
            manager: "kubectl-set".to_owned(),
            operation: "Update".to_owned(),
            time: None,
        }),
        ..Finding::new("M201", "set by kubectl-set").about("Deployment/apps/web")
    }
}

const ONE_CHANGED: Counts = Counts {
    compared: 2,
    identical: 1,
    created: 0,
    changed: 1,
    deleted: 0,
    skipped: 0,
};

/// Names, waves and verdicts of a plan.
fn shape(plan: &MigrationPlan) -> Vec<(String, Option<u32>, Class)> {
    plan.objects
        .iter()
        .map(|object| (object.object.key.name.clone(), object.wave, object.verdict))
        .collect()
}

#[test]
fn what_was_proven_decides_together_with_what_a_scan_says() {
    let stuck = |code: &'static str| found("app", ONE_CHANGED, Finding::new(code, "why"));
    let remark = |code: &'static str| {
        let (handle, mut answer) = same("app");
        answer.findings.push(Finding::new(code, "why"));
        (handle, answer)
    };
    let unproven = |code: &'static str| {
        let name = Name::new("Kustomization", "apps", "app");
        (handle("app"), Answer::unproven(name, Finding::new(code, "why")))
    };
    let silent = (handle("app"), Answer::default());
    let none = json!({});
    type Row<'a> = (&'a Value, Option<(Handle, Answer)>, Class, &'a [&'a str]);
    let table: [Row<'_>; 16] = [
        (&none, Some(same("app")), Class::CanMove, &[]),
        (
            &json!({"/spec/wait": false}),
            Some(same("app")),
            Class::CanMove,
            &["M206"],
        ),
        (&none, Some(remark("M207")), Class::CanMove, &["M207"]),
        (&none, Some(remark("M202")), Class::CanMove, &["M202"]),
        (&none, Some(stuck("M201")), Class::NotNow, &["M201"]),
        (&none, Some(stuck("M104")), Class::NotNow, &["M104"]),
        (&none, Some(stuck("M106")), Class::Blocked, &["M106"]),
        (&none, Some(stuck("M107")), Class::Blocked, &["M107"]),
        (&none, Some(stuck("M108")), Class::Blocked, &["M108"]),
        (&none, Some(stuck("M109")), Class::Blocked, &["M109"]),
        (&none, Some(unproven("M110")), Class::Cannot, &["M110"]),
        (&none, Some(unproven("M111")), Class::Cannot, &["M111"]),
        // Nobody was asked, nothing was answered, and what was answered does not add up.
        (&none, None, Class::Cannot, &["M120"]),
        (&none, Some(silent), Class::Cannot, &["M120"]),
        (&json!({"/spec/suspend": true}), None, Class::Skipped, &["M103"]),
        // The scan is less exact about the same.
        (
            &json!({"/metadata/generation": 2}),
            Some(stuck("M104")),
            Class::NotNow,
            &["M104"],
        ),
    ];
    for (change, answer, class, codes) in table {
        let facts = facts(&[("app", change.clone())]);
        let plan = plan(&facts, &answer.clone().into_iter().collect(), None, &asked());
        let object = &plan.objects[0];
        let found: Vec<_> = object.findings.iter().map(|finding| &*finding.code).collect();
        assert_eq!(
            (object.verdict, &found[..]),
            (class, codes),
            "{change} {answer:?}"
        );
        assert_eq!(object.wave.is_some(), class == Class::CanMove);
        assert!(codes.iter().all(|code| Code::find(code).is_some()), "{codes:?}");
    }
}

#[test]
fn a_proof_of_something_else_than_nothing_is_none() {
    let facts = facts(&[("app", json!({}))]);
    let (handle, mut answer) = same("app");
    if let Some(proof) = &mut answer.proof {
        proof.counts = ONE_CHANGED;
    }
    let plan = plan(&facts, &BTreeMap::from([(handle, answer)]), None, &asked());
    assert_eq!(shape(&plan), [("app".to_owned(), None, Class::Cannot)]);
}

#[test]
fn every_verdict_of_a_scan_stays_whatever_was_proven() {
    let flux = json!({"entries": [
        {"id": "_gitrepositories.source.toolkit.fluxcd.io_apiextensions.k8s.io_CustomResourceDefinition", "v": "v1"}]});
    let label = flux_api::SHARD_KEY;
    for (change, class) in [
        (json!({"/metadata/labels": {label: "openflux"}}), Class::Moved),
        (
            json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}),
            Class::Cannot,
        ),
        (json!({"/metadata/generation": 2}), Class::NotNow),
        (json!({"/status/inventory": flux}), Class::Skipped),
    ] {
        let facts = facts(&[("app", change.clone())]);
        let plan = plan(&facts, &BTreeMap::from([same("app")]), None, &asked());
        assert_eq!(shape(&plan), [("app".to_owned(), None, class)], "{change}");
    }
    let facts = facts(&[("app", json!({"/status/inventory": flux}))]);
    let roots = Asked {
        include_roots: true,
        ..asked()
    };
    let plan = plan(&facts, &BTreeMap::from([same("app")]), None, &roots);
    assert_eq!(shape(&plan), [("app".to_owned(), Some(1), Class::CanMove)]);
}

#[test]
fn waves_begin_with_what_a_surprise_would_hurt_least() {
    let entries = |number: usize| {
        let entry = |n: usize| json!({"id": format!("apps_c{n}__ConfigMap"), "v": "v1"});
        json!({"entries": (0..number).map(entry).collect::<Vec<_>>()})
    };
    let child = json!({"entries": [{"id": "apps_s1_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"}]});
    let waits = |name: &str| json!([{"name": name}]);
    let objects = [
        ("s5", json!({"/status/inventory": entries(5)})),
        (
            "s1",
            json!({"/status/inventory": entries(1), "/metadata/labels": {"team": "web"}}),
        ),
        (
            "s4",
            json!({"/status/inventory": entries(4), "/metadata/labels": {"team": "db"}}),
        ),
        (
            "s3",
            json!({"/status/inventory": entries(3), "/metadata/labels": {"team": "web"}}),
        ),
        (
            "s2",
            json!({"/status/inventory": entries(2), "/spec/dependsOn": waits("middle")}),
        ),
        ("base", json!({"/status/inventory": entries(1)})),
        (
            "middle",
            json!({"/status/inventory": entries(9), "/spec/dependsOn": waits("base")}),
        ),
        ("parent", json!({"/status/inventory": child})),
    ];
    let facts = facts(&objects);
    let answers: BTreeMap<_, _> = objects.iter().map(|(name, _)| same(name)).collect();
    let waves = |by: WaveBy| {
        let asked = Asked {
            wave_by: by,
            ..asked()
        };
        let plan = plan(&facts, &answers, None, &asked);
        let waves = plan.waves();
        let names = waves.into_iter().map(|wave| {
            let names: Vec<_> = plan
                .wave(wave)
                .map(|object| object.object.key.name.clone())
                .collect();
            names.join(" ")
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        waves(WaveBy::Size),
        ["s1", "s2", "s3 s4 s5", "middle base", "parent"]
    );
    assert_eq!(
        waves(WaveBy::Namespace),
        ["s1 s2 s3 s4 s5", "middle base", "parent"]
    );
    assert_eq!(
        waves(WaveBy::Label("team".to_owned())),
        ["s4", "s1 s3", "s2 s5", "middle base", "parent"]
    );
}

#[test]
fn a_cycle_of_dependencies_has_an_order_too() {
    let waits = |name: &str| json!({"/spec/dependsOn": [{"name": name}]});
    let facts = facts(&[("a", waits("b")), ("b", waits("a"))]);
    let plan = plan(&facts, &BTreeMap::from([same("a"), same("b")]), None, &asked());
    assert_eq!(plan.moving().count(), 2);
}

#[test]
fn only_what_is_asked_for_is_planned() {
    let facts = facts(&[("a", json!({})), ("b", json!({}))]);
    let asked = Asked {
        objects: Some([handle("b")].into()),
        ..asked()
    };
    let plan = plan(&facts, &BTreeMap::from([same("a"), same("b")]), None, &asked);
    assert_eq!(shape(&plan), [("b".to_owned(), Some(1), Class::CanMove)]);
}

/// A plan with something of everything.
fn full() -> MigrationPlan {
    let mut facts = facts(&[
        ("app", json!({})),
        (
            "docs",
            json!({"/spec/wait": false, "/metadata/labels": {flux_api::SHARD_KEY: "shard1"}}),
        ),
        ("redis", json!({})),
        ("shop", json!({})),
        ("lost", json!({"/spec/suspend": true})),
    ]);
    facts.world.unread.push("Buckets: forbidden".to_owned());
    // A controller of the shard, and one of all others.
    let args: &[&str] = &["--watch-label-selector=sharding.fluxcd.io/key in (shard1)"];
    let mut shard = crate::owner::tests::deployment("kustomize-controller", args, 1, 1);
    shard.metadata.name = Some("kustomize-controller-shard1".to_owned());
    facts.world.stock.push(shard);
    let (redis, mut release) = same("redis");
    if let Some(proof) = &mut release.proof {
        proof.release = Some(ReleaseProof {
            name: "redis".to_owned(),
            version: 3,
            chart: "redis-1.2.3".to_owned(),
            digest_matches: Some(true),
            next_upgrade: NextUpgrade::Random,
        });
        proof.at = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            Timestamp::UNIX_EPOCH,
        ));
        proof.rendered = "sha256:11".to_owned();
    }
    release
        .findings
        .push(Finding::new("M202", "1 random value").about("Secret/apps/redis"));
    let answers = BTreeMap::from([
        same("app"),
        same("docs"),
        (redis, release),
        found("shop", ONE_CHANGED, drift()),
    ]);
    let places = Changes {
        labelled: vec![Labelled {
            object: handle("app"),
            carrier: "git-file",
            file: "clusters/prod-eu/app.yaml".to_owned(),
            line: 4,
            former: None,
            why: String::new(),
        }],
        unplaced: vec![Unplaced {
            object: handle("redis"),
            why: "ResourceSet addons makes it".to_owned(),
        }],
        done: vec![handle("docs")],
        ..Changes::default()
    };
    plan(&facts, &answers, Some(&places), &asked())
}

#[test]
fn people_see_what_moves_what_does_not_and_the_way_back() {
    assert_eq!(
        full().lines(Style::default(), Some("web.json")),
        [
            " WAVE  OBJECT         OBJECTS  PROOF      NOTES                                   LABEL",
            " 1     ks/apps/app          2  identical                                          clusters/prod-eu/app.yaml:4",
            " 2     ks/apps/docs         2  identical  M206 no-health-check                    in Git already",
            " 2     ks/apps/redis        2  identical  M202 Secret/apps/redis: 1 random value  producer: ResourceSet addons makes it",
            " -  ks/apps/shop  not now  M201 Deployment/apps/web spec.template.spec.containers[0].image: set by kubectl-set",
            " -  ks/apps/lost  skipped  M103 it is suspended",
            "   not read: Buckets: forbidden",
            "",
            "Plan: move 3 of 5 in 2 waves. 0 objects would be created, changed or deleted: 6 compared, 6 identical.",
            "      HelmReleases: 1 release verified; the next upgrade renders byte for byte the same in 0, 1 has random values.",
            "Next: openflux migrate apply web.json",
            "Back, at any time, also without this tool:",
            "      kubectl label ks -n apps docs sharding.fluxcd.io/key=shard1 --overwrite",
            "      kubectl label ks,hr -A -l sharding.fluxcd.io/key=openflux sharding.fluxcd.io/key-",
        ]
    );
}

#[test]
fn the_way_back_gives_shards_their_objects() {
    assert_eq!(
        full().way_back(),
        [
            "kubectl label ks -n apps docs sharding.fluxcd.io/key=shard1 --overwrite",
            "kubectl label ks,hr -A -l sharding.fluxcd.io/key=openflux sharding.fluxcd.io/key-",
        ]
    );
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let plan = full();
    let text = serde_json::to_string_pretty(&plan).unwrap();
    assert_eq!(MigrationPlan::read(&text).unwrap(), plan);
    assert_eq!(plan.is_for("kube-system-uid"), Ok(()));
    let error = plan.is_for("other").unwrap_err().to_string();
    assert_eq!(
        error,
        "the plan is for another cluster: that of prod-eu at https://10.0.0.1; choose that with --context, or make a plan for this one \
         with openflux migrate plan -o FILE"
    );
    // A later version of this one may know more.
    let mut newer: Value = serde_json::from_str(&text).unwrap();
    newer["objects"][0]["invention"] = json!(1);
    assert!(MigrationPlan::read(&newer.to_string()).is_ok());
    for other in ["", "[]", r#"{"apiVersion": "v1", "kind": "List"}"#] {
        assert!(MigrationPlan::read(other).is_err(), "{other}");
    }
}

#[test]
fn an_id_says_what_a_plan_is_about() {
    let facts = facts(&[("a", json!({}))]);
    let id = |answers: BTreeMap<Handle, Answer>, asked: &Asked| plan(&facts, &answers, None, asked).id;
    let first = id(BTreeMap::from([same("a")]), &asked());
    assert_eq!(first, id(BTreeMap::from([same("a")]), &asked()));
    assert_ne!(first, id(BTreeMap::new(), &asked()));
    let later = Asked {
        now: Timestamp::from_second(1).unwrap(),
        ..asked()
    };
    assert_ne!(first, id(BTreeMap::from([same("a")]), &later));
}

#[test]
fn the_schema_fits_every_plan() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schemas/migration-plan.v1alpha1.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    let at = "https://openfluxcd.ocm.software/schemas/cli/v1alpha1/migration-plan.json";
    compiler.add_resource(at, schema).unwrap();
    let schema = compiler.compile(at, &mut schemas).unwrap();
    let nothing = plan(&healthy(), &BTreeMap::new(), None, &asked());
    for plan in [full(), nothing] {
        let document = serde_json::to_value(&plan).unwrap();
        let valid = schemas.validate(&document, schema);
        assert!(valid.is_ok(), "{}", valid.unwrap_err());
    }
    // Everything that a plan can have is in the full one, so that no field is without its place in the schema.
    let document = serde_json::to_string(&full()).unwrap();
    for field in [
        "unread",
        "wave",
        "findings",
        "path",
        "owner",
        "carrier",
        "formerLabel",
        "inventory",
        "rendered",
        "at",
        "release",
        "digestMatches",
    ] {
        assert!(document.contains(&format!("\"{field}\":")), "{field}");
    }
}

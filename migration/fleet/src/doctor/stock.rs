//! Stock Flux: its version, its definitions and its controllers.

use flux_api::{Arguments, selector};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube_core::ResourceExt;

use super::facts::name;
use super::{Facts, Finding};
use crate::status::flux_version;

/// The version of Flux that this was tested beside.
const TESTED: (u32, u32) = (2, 9);

/// The definitions that Flux brings, each with the version that is read.
const DEFINITIONS: [(&str, &str); 8] = [
    ("kustomizations.kustomize.toolkit.fluxcd.io", "v1"),
    ("helmreleases.helm.toolkit.fluxcd.io", "v2"),
    ("gitrepositories.source.toolkit.fluxcd.io", "v1"),
    ("ocirepositories.source.toolkit.fluxcd.io", "v1"),
    ("buckets.source.toolkit.fluxcd.io", "v1"),
    ("helmrepositories.source.toolkit.fluxcd.io", "v1"),
    ("helmcharts.source.toolkit.fluxcd.io", "v1"),
    ("externalartifacts.source.toolkit.fluxcd.io", "v1"),
];

pub(super) fn version(facts: &Facts) -> Vec<Finding> {
    let (major, minor) = TESTED;
    let Some(version) = flux_version(&facts.world) else {
        return vec![
            Finding::failure("no Deployment with the label app.kubernetes.io/part-of=flux says its version")
                .detail(
                    "stock controllers without this label are not seen, neither here nor by our controller",
                )
                .fix("install Flux, or label its Deployments"),
        ];
    };
    let numbers: Vec<u32> = version
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    match numbers.as_slice() {
        [found, at, ..] if (*found, *at) == TESTED => Vec::new(),
        [found, at, ..] if (*found, *at) < TESTED => vec![
            Finding::failure(format!("Flux {version} is older than {major}.{minor}, which this goes with"))
                .detail("what it writes into statuses and objects may differ, so that moving is no longer free of writes")
                .fix("upgrade Flux first"),
        ],
        _ => vec![Finding::warning(format!(
            "Flux {version} is not {major}.{minor}, which is what was tested"
        ))],
    }
}

pub(super) fn definitions(facts: &Facts) -> Vec<Finding> {
    let definitions = match &facts.definitions {
        Ok(definitions) => definitions,
        Err(why) => return vec![Finding::unknown(why)],
    };
    let mut findings = Vec::new();
    for (name, version) in DEFINITIONS {
        let Some(definition) = definitions.iter().find(|known| known.name_any() == name) else {
            let what = format!("{name} is not installed");
            // Older versions of Flux, and those without the part, do not have all.
            findings.push(
                if name.starts_with("kustomizations") || name.starts_with("helmreleases") {
                    Finding::failure(what)
                } else {
                    Finding::warning(what)
                },
            );
            continue;
        };
        let served = definition
            .spec
            .versions
            .iter()
            .any(|known| known.name == version && known.served);
        if !served {
            findings.push(Finding::failure(format!("{name} is not served as {version}")));
        }
        let stored = definition
            .status
            .as_ref()
            .and_then(|status| status.stored_versions.as_deref());
        let old: Vec<_> = stored
            .unwrap_or_default()
            .iter()
            .filter(|stored| *stored != version)
            .cloned()
            .collect();
        if !old.is_empty() {
            findings.push(
                Finding::warning(format!("{name} has objects stored as {}", old.join(", ")))
                    .fix("flux migrate"),
            );
        }
    }
    findings.extend(custom_kinds(facts, definitions));
    findings
}

/// Kustomizations whose kind of source the definition does not take any more: they cannot be edited.
fn custom_kinds(facts: &Facts, definitions: &[CustomResourceDefinition]) -> Vec<Finding> {
    let definition = definitions
        .iter()
        .find(|known| known.name_any() == DEFINITIONS[0].0);
    let Some(definition) = definition else {
        return Vec::new();
    };
    let version = definition
        .spec
        .versions
        .iter()
        .find(|version| version.name == DEFINITIONS[0].1);
    let schema = version
        .and_then(|version| version.schema.as_ref())
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    let kinds = schema
        .and_then(|schema| property(schema, &["spec", "sourceRef", "kind"]))
        .and_then(|kind| kind.enum_.as_ref());
    let Some(kinds) = kinds else {
        return vec![
            Finding::warning("the definition of Kustomizations takes sources of any kind (relaxed)")
                .detail("an upgrade of Flux takes that back, and objects with custom kinds can no longer be edited then")
                .fix("write kind: ExternalArtifact, with the apiVersion of the custom source and the annotation \
                      openfluxcd.ocm.software/source-kind"),
        ];
    };
    let known: Vec<_> = kinds.iter().filter_map(|kind| kind.0.as_str()).collect();
    let odd: Vec<_> = facts
        .world
        .kustomizations
        .iter()
        .filter_map(|object| object.0.as_ref().ok())
        .filter(|object| !known.contains(&object.spec.source_ref.kind.as_str()))
        .map(|object| {
            format!(
                "ks/{}/{}: sourceRef.kind {}",
                object.metadata.namespace.as_deref().unwrap_or_default(),
                object.name_any(),
                object.spec.source_ref.kind
            )
        })
        .collect();
    if odd.is_empty() {
        return Vec::new();
    }
    vec![
        Finding::failure(format!(
            "{} Kustomizations have a kind of source that their definition does not take: they cannot be edited",
            odd.len()
        ))
        .list(&odd)
        .fix("write kind: ExternalArtifact, with the apiVersion of the custom source and the annotation \
              openfluxcd.ocm.software/source-kind"),
    ]
}

fn property<'a>(schema: &'a JSONSchemaProps, path: &[&str]) -> Option<&'a JSONSchemaProps> {
    path.iter()
        .try_fold(schema, |schema, name| schema.properties.as_ref()?.get(*name))
}

pub(super) fn controllers(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for controller in ["source-controller", "kustomize-controller", "helm-controller"] {
        if facts.stock(controller).next().is_none() {
            findings.push(Finding::warning(format!(
                "no live Deployment of stock Flux runs {controller}"
            )));
        }
        for (deployment, container) in facts.stock(controller) {
            let status = deployment.status.clone().unwrap_or_default();
            let ready = status.ready_replicas.unwrap_or_default();
            let wanted = deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(1);
            if ready < wanted {
                findings.push(
                    Finding::failure(format!("{} has {ready} of {wanted} pods ready", name(deployment))).fix(
                        &format!(
                            "kubectl -n {} get pods",
                            deployment.namespace().unwrap_or_default()
                        ),
                    ),
                );
            }
            let arguments = Arguments::of(container);
            if let Some(text) = arguments.value("watch-label-selector")
                && let Err(why) = selector::parse(text)
            {
                findings.push(
                    Finding::failure(format!(
                        "the selector of {} is not understood: {why}",
                        name(deployment)
                    ))
                    .detail("it counts as one that selects everything"),
                );
            }
        }
    }
    findings
}

/// How long after its last sign of life a Lease counts as held.
const FRESH: SignedDuration = SignedDuration::from_secs(120);

pub(super) fn leases(facts: &Facts) -> Vec<Finding> {
    let leases = match &facts.leases {
        Ok(leases) => leases,
        Err(why) => return vec![Finding::unknown(why)],
    };
    let now = Timestamp::now();
    let mut findings = Vec::new();
    for (_, deployment, container, arguments) in facts.deployers() {
        if arguments.is_on("enable-leader-election") != Some(true) {
            continue;
        }
        let controller = container_name(container.image.as_deref().unwrap_or_default());
        let held: Vec<_> = leases
            .iter()
            .filter(|lease| {
                lease.namespace() == deployment.namespace() && lease.name_any().starts_with(controller)
            })
            .filter(|lease| {
                let spec = lease.spec.as_ref();
                let renewed = spec.and_then(|spec| spec.renew_time.as_ref());
                renewed.is_some_and(|renewed| now.duration_since(renewed.0) < FRESH)
            })
            .collect();
        if held.is_empty() {
            findings.push(Finding::warning(format!(
                "no process of {} has renewed its Lease in two minutes",
                name(deployment)
            )));
        }
        let same = |other: &&Deployment| {
            other.namespace() == deployment.namespace()
                && super::facts::name(other) != name(deployment)
                && other.name_any().starts_with(controller)
        };
        if held.len() > 1 && !facts.world.stock.iter().any(|other| same(&other)) {
            findings.push(
                Finding::warning(format!(
                    "{} Leases of {controller} are held at once, which happens while its selector changes",
                    held.len()
                ))
                .detail("two processes may reconcile the same objects until the older one has ended"),
            );
        }
    }
    findings
}

fn container_name(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next().unwrap_or_default()
}

//! Our controller: its definition, its Deployment, and what it may and can do.

use k8s_openapi::api::core::v1::Pod;
use kube_core::ResourceExt;

use super::cluster::missing;
use super::facts::name;
use super::{Facts, Finding, Who};
use crate::owner::OPENFLUX;
use crate::status::image_version;

const INSTALL: &str = "openflux-controller install --export | kubectl apply --server-side -f -";

/// The version of our controller, as its image has it.
pub(super) fn version(facts: &Facts) -> Option<String> {
    let deployment = facts.world.ours.first()?;
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let image = pod.containers.first()?.image.as_deref()?;
    Some(image_version(image).to_owned())
}

pub(super) fn definition(facts: &Facts) -> Vec<Finding> {
    let definitions = match &facts.definitions {
        Ok(definitions) => definitions,
        Err(why) => return vec![Finding::unknown(why)],
    };
    let wanted = format!("{}.{}", artifact_crd::PLURAL, artifact_crd::GROUP);
    let Some(definition) = definitions.iter().find(|known| known.name_any() == wanted) else {
        return vec![Finding::failure(format!("{wanted} is not installed")).fix(INSTALL)];
    };
    let versions = &definition.spec.versions;
    let Some(version) = versions
        .iter()
        .find(|known| known.name == artifact_crd::VERSION && known.served)
    else {
        return vec![
            Finding::failure(format!("{wanted} is not served as {}", artifact_crd::VERSION)).fix(INSTALL),
        ];
    };
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    let status = schema.and_then(|schema| schema.properties.as_ref()?.get("status"));
    let has_conditions = status
        .and_then(|status| status.properties.as_ref())
        .is_some_and(|properties| properties.contains_key("conditions"));
    if has_conditions {
        return Vec::new();
    }
    vec![
        Finding::failure(format!(
            "{wanted} is that of the Go controllers, which keeps no conditions"
        ))
        .detail("whether an Artifact is up to date could not be told")
        .fix(INSTALL),
    ]
}

pub(super) fn deployment(facts: &Facts) -> Vec<Finding> {
    if facts.world.ours.is_empty() {
        return vec![
            Finding::failure("our controller is not installed")
                .detail("no Deployment has the label app.kubernetes.io/part-of=openflux")
                .fix(INSTALL),
        ];
    }
    let mut findings = Vec::new();
    for (deployment, _) in facts.ours() {
        let status = deployment.status.clone().unwrap_or_default();
        let ready = status.ready_replicas.unwrap_or_default();
        if ready == 0 {
            findings.push(
                Finding::failure(format!("{} has no ready pod", name(deployment))).fix(&format!(
                    "kubectl -n {} describe pods -l app={OPENFLUX}",
                    deployment.namespace().unwrap_or_default()
                )),
            );
        }
    }
    let minor = |version: &str| {
        let mut parts = version.trim_start_matches('v').split('.').map(str::to_owned);
        Some((parts.next()?, parts.next()?))
    };
    if let Some(version) = version(facts)
        && let (Some(theirs), Some(own)) = (minor(&version), minor(&facts.tool_version))
        && theirs != own
    {
        findings.push(Finding::warning(format!(
            "our controller is {version}, and this tool {}",
            facts.tool_version
        )));
    }
    findings
}

pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    missing(
        &facts.rights,
        Who::Controller,
        "the service account of our controller",
    )
}

/// Hosts that artifacts may come from when the arguments say nothing.
const HOSTS: &str = "*.svc,*.svc.cluster.local";

pub(super) fn hosts(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (deployment, arguments) in facts.ours() {
        let given: Vec<_> = arguments.values("artifact-hosts", None).collect();
        let allowed = if given.is_empty() { vec![HOSTS] } else { given };
        let allowed: Vec<_> = allowed.iter().flat_map(|list| list.split(',')).collect();
        let refused = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default().to_lowercase();
            let host = host
                .split(':')
                .next()
                .unwrap_or_default()
                .trim_end_matches('.')
                .to_owned();
            let fits = |pattern: &&str| match pattern.strip_prefix('*') {
                Some(suffix) => host.ends_with(suffix),
                None => host == pattern.split(':').next().unwrap_or_default(),
            };
            // Networks and ports are judged by the controller itself.
            let is_address = host.parse::<std::net::IpAddr>().is_ok();
            (!is_address && !allowed.iter().any(fits)).then_some(host)
        };
        let mut hosts: Vec<_> = facts
            .world
            .sources
            .iter()
            .filter_map(|source| refused(&source.artifact.as_ref()?.url))
            .collect();
        hosts.sort();
        hosts.dedup();
        if !hosts.is_empty() {
            findings.push(
                Finding::failure(format!(
                    "{} does not take artifacts from {}",
                    name(deployment),
                    hosts.join(", ")
                ))
                .detail(format!("its --artifact-hosts are {}", allowed.join(",")))
                .fix(&format!(
                    "install with --artifact-hosts={},{}",
                    allowed.join(","),
                    hosts.join(",")
                )),
            );
        }
    }
    findings
}

pub(super) fn memory(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (deployment, _) in facts.ours() {
        let pod = deployment
            .spec
            .as_ref()
            .and_then(|spec| spec.template.spec.as_ref());
        let limited = pod.into_iter().flat_map(|pod| &pod.containers).all(|container| {
            let resources = container.resources.as_ref();
            let limits = resources.and_then(|resources| resources.limits.as_ref());
            limits.is_some_and(|limits| limits.contains_key("memory"))
        });
        if !limited {
            findings.push(Finding::warning(format!(
                "{} has no memory limit",
                name(deployment)
            )));
        }
    }
    match &facts.pods {
        Ok(pods) => {
            let killed: Vec<_> = pods
                .iter()
                .filter(|pod| was_killed(pod))
                .map(ResourceExt::name_any)
                .collect();
            if !killed.is_empty() {
                findings.push(
                    Finding::failure("our controller was ended because it took more memory than its limit")
                        .list(&killed)
                        .fix("raise the limit, or lower --artifact-max-unpacked-bytes and --concurrent"),
                );
            }
        }
        Err(why) => findings.push(Finding::unknown(why)),
    }
    findings
}

fn was_killed(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    containers.into_iter().flatten().any(|container| {
        let last = container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        last.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled"))
    })
}

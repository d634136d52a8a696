//! The cluster itself, and what you may do in it.

use k8s_openapi::api::admissionregistration::v1::RuleWithOperations;
use kube_core::ResourceExt;

use super::{Facts, Finding, Right, Who};

/// Minor versions of Kubernetes that are known to work.
const KNOWN: std::ops::RangeInclusive<u32> = 33..=36;

pub(super) fn version(facts: &Facts) -> Vec<Finding> {
    let version = &facts.world.kubernetes;
    let minor = version
        .strip_prefix("v1.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    let Some(minor) = minor else {
        return vec![Finding::unknown(format!(
            "the API server says that it is {version:?}"
        ))];
    };
    let (oldest, newest) = (KNOWN.start(), KNOWN.end());
    if minor < *oldest {
        return vec![Finding::failure(format!(
            "Kubernetes {version} is older than 1.{oldest}, as Flux wants it"
        ))];
    }
    if minor > *newest {
        return vec![Finding::warning(format!(
            "Kubernetes {version} is newer than 1.{newest}, which is what was tested"
        ))];
    }
    Vec::new()
}

pub(super) fn rights(facts: &Facts) -> Vec<Finding> {
    missing(&facts.rights, Who::You, "you")
}

/// What somebody may not do.
pub(super) fn missing(rights: &[Right], who: Who, name: &str) -> Vec<Finding> {
    let of = rights.iter().filter(|right| right.who == who);
    of.filter_map(|right| {
        let group = match right.group {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let what = format!("{} {}{group}", right.verb, right.resource);
        match &right.allowed {
            Ok(true) => None,
            Ok(false) if right.is_needed => Some(Finding::failure(format!("{name} may not {what}"))),
            Ok(false) => Some(Finding::warning(format!("{name} may not {what}"))),
            Err(why) => Some(Finding::unknown(format!("whether {name} may {what}: {why}"))),
        }
    })
    .collect()
}

pub(super) fn clocks(facts: &Facts) -> Vec<Finding> {
    let Some(skew) = facts.skew else {
        return vec![Finding::unknown("the API server does not tell the time")];
    };
    let what = format!("the clock of the API server is {skew} s ahead of this one");
    match skew.abs() {
        0..=30 => Vec::new(),
        31..=300 => vec![Finding::warning(what)],
        _ => vec![Finding::failure(what).fix("set the clocks: Leases and certificates depend on them")],
    }
}

pub(super) fn webhooks(facts: &Facts) -> Vec<Finding> {
    let configurations = match &facts.webhooks {
        Ok(configurations) => configurations,
        Err(why) => return vec![Finding::unknown(why)],
    };
    let mut findings = Vec::new();
    for configuration in configurations {
        for webhook in configuration.webhooks.iter().flatten() {
            if webhook.rules.iter().flatten().any(changes_flux) {
                findings.push(
                    Finding::warning(format!(
                        "webhook {} of {} may change Kustomizations or HelmReleases",
                        webhook.name,
                        configuration.name_any()
                    ))
                    .detail("if it takes labels away, objects go back to stock by themselves"),
                );
            }
        }
    }
    findings
}

fn changes_flux(rule: &RuleWithOperations) -> bool {
    let has = |list: &Option<Vec<String>>, names: &[&str]| {
        let mut list = list.iter().flatten();
        list.any(|word| word == "*" || word == "*/*" || names.contains(&word.as_str()))
    };
    has(
        &rule.api_groups,
        &["kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"],
    ) && has(&rule.resources, &["kustomizations", "helmreleases"])
        && has(&rule.operations, &["CREATE", "UPDATE"])
}

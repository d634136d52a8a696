//! Tenants and other tools.

use kube_core::ResourceExt;

use super::facts::name;
use super::{Facts, Finding};

/// Whether the cluster is shared with people who may not do everything, as the flags of stock's deployers say.
fn has_tenants(facts: &Facts) -> bool {
    facts.deployers().any(|(_, _, _, arguments)| {
        let account = arguments.value("default-service-account").unwrap_or_default();
        arguments.is_on("no-cross-namespace-refs") == Some(true) || !account.is_empty()
    })
}

/// Whether a policy speaks of something.
fn policy_about(facts: &Facts, words: &[&str]) -> Result<bool, String> {
    let policies = facts.admission.as_ref().map_err(Clone::clone)?;
    let speaks = |text: &str| words.iter().all(|word| text.contains(word));
    Ok(policies.iter().any(|policy| {
        let text = policy
            .spec
            .as_ref()
            .and_then(|spec| serde_json::to_string(spec).ok());
        text.is_some_and(|text| speaks(&text))
    }))
}

pub(super) fn label_writers(facts: &Facts) -> Vec<Finding> {
    if !has_tenants(facts) {
        return Vec::new();
    }
    let (key, value) = facts.label();
    match policy_about(facts, &["kustomizations", &key]) {
        Ok(true) => Vec::new(),
        Err(why) => vec![Finding::unknown(why)],
        Ok(false) => vec![
            Finding::warning(format!("whoever may edit a Kustomization may move it by the label {key}"))
                .detail("moving it changes nothing about its rights; it changes which program applies it")
                .fix(&format!(
                    "a ValidatingAdmissionPolicy for kustomizations and helmreleases, for all but the service accounts of Flux:\n\
                     \x20 object.metadata.?labels[?'{key}'] == oldObject.metadata.?labels[?'{key}'] || object.metadata.?labels[?'{key}'].orValue('') != '{value}'"
                )),
        ],
    }
}

pub(super) fn artifact_writers(facts: &Facts) -> Vec<Finding> {
    if !has_tenants(facts) || facts.world.ours.is_empty() {
        return Vec::new();
    }
    match policy_about(facts, &[artifact_crd::GROUP, artifact_crd::PLURAL]) {
        Ok(true) => Vec::new(),
        Err(why) => vec![Finding::unknown(why)],
        Ok(false) => vec![
            Finding::warning(
                "whoever may write Artifacts decides what is deployed, and no policy says who may",
            )
            .fix(
                "openflux-controller install --export --artifact-writers | kubectl apply --server-side -f -",
            ),
        ],
    }
}

/// Field managers of tools that bring Deployments, each with its name for people.
const MANAGERS: [(&str, &str); 5] = [
    ("flux-operator", "flux-operator"),
    ("argocd-controller", "Argo CD"),
    ("argocd-application-controller", "Argo CD"),
    ("Terraform", "Terraform"),
    ("HashiCorp", "Terraform"),
];

pub(super) fn tools(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    match &facts.instances {
        Ok(instances) => findings.extend(instances.iter().map(|instance| {
            Finding::warning(format!(
                "FluxInstance {instance} brings Flux, and takes back what is changed on its Deployments"
            ))
            .detail("spec.sharding is not for this: it makes a stock controller for each shard")
            .fix(&format!(
                "keep the exclusion in spec.kustomize.patches of the FluxInstance:\n{}",
                super::exclusion::patch("(kustomize-controller|helm-controller)", &facts.label().0)
            ))
        })),
        Err(why) => findings.push(Finding::unknown(why)),
    }
    for (_, deployment, _, _) in facts.deployers() {
        let managers = deployment.metadata.managed_fields.iter().flatten();
        let tool = managers
            .filter_map(|entry| entry.manager.as_deref())
            .find_map(|manager| MANAGERS.iter().find(|(known, _)| manager.starts_with(known)));
        match tool {
            Some((_, tool)) if *tool != "flux-operator" => findings.push(Finding::warning(format!(
                "{tool} brings {}, and takes back what is changed on it elsewhere",
                name(deployment)
            ))),
            _ => {}
        }
        let azure = deployment.labels().keys().chain(deployment.annotations().keys());
        if azure
            .clone()
            .any(|key| key.contains("azure") || key.contains("clusterconfig"))
        {
            findings.push(
                Finding::warning(format!(
                    "{} seems to be brought by the extension of Azure",
                    name(deployment)
                ))
                .detail("whether its arguments can be kept is not known"),
            );
        }
    }
    findings
}

//! The rights of the controller.

use flux_sources::SourceKind;
use serde_json::{Value, json};

use super::InstallFlags;

/// What the controller needs besides what it applies.
pub(super) fn rules(flags: &InstallFlags) -> Value {
    let read = ["get", "list", "watch"];
    let sources = SourceKind::ALL.map(SourceKind::plural);
    // Where owner references are checked, whoever blocks the deletion of an owner needs this right on it.
    let owners = sources.map(|plural| format!("{plural}/finalizers"));
    let mut rules = json!([
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts"],
         "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts/status"], "verbs": ["patch"]},
        {"apiGroups": ["openfluxcd.ocm.software"], "resources": ["artifacts/finalizers"], "verbs": ["update"]},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": sources, "verbs": read},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": owners, "verbs": ["update"]},
        // For the bridge.
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["externalartifacts"], "verbs": ["create", "patch"]},
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["externalartifacts/status"], "verbs": ["patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations"],
         "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations/status"], "verbs": ["patch"]},
        {"apiGroups": ["helm.toolkit.fluxcd.io"], "resources": ["helmreleases"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["helm.toolkit.fluxcd.io"], "resources": ["helmreleases/status"], "verbs": ["patch"]},
        // Those that HelmReleases ask for.
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["helmcharts"], "verbs": ["create", "patch", "delete"]},
        // To leave alone what stock's controllers select.
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": read},
        // Variables, and their changes.
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": read},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "impersonate"]},
        // Tokens for others than this cluster, as stock's controllers may ask for them.
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]);
    for (plural, _) in flags.produced_kinds() {
        let group = group_of(plural);
        let mut rule = |resource: String, verbs: &[&str]| {
            if let Some(rules) = rules.as_array_mut() {
                rules.push(json!({"apiGroups": [group], "resources": [resource], "verbs": verbs}));
            }
        };
        rule(plural.to_owned(), &read);
        rule(format!("{plural}/status"), &["patch"]);
        rule(format!("{plural}/finalizers"), &["update"]);
    }
    rules
}

/// The group of a kind that artifacts are made of.
pub(super) fn group_of(plural: &str) -> &'static str {
    if plural == artifact_crd::HTTP_PLURAL {
        artifact_crd::HTTP_GROUP
    } else {
        artifact_crd::GROUP
    }
}

/// What the controller needs in its own namespace.
pub(super) fn rules_at_home() -> Value {
    json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}])
}

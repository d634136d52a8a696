//! Feature gates: those of stock kustomize-controller 1.9, and what each means here.

use crate::values::boolean;

/// The gates that change what this binary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gates {
    /// Variables that are not set are errors; on.
    pub(crate) strict_post_build_substitutions: bool,
    /// A failed object does not end health checks early; off.
    pub(crate) disable_fail_fast_behavior: bool,
    /// Entries of `managedFields` are moved to the applied API version; off.
    pub(crate) migrate_api_version: bool,
    /// Sources may be of other kinds than Flux's own; on, because that is what Artifacts are for (stock: off).
    pub(crate) external_artifact: bool,
    /// Labelled ConfigMaps and Secrets are watched; on. The gate is `DisableConfigWatchers`.
    pub(crate) config_watchers: bool,
    /// Logged change sets are grouped by action; off.
    pub(crate) group_change_log: bool,
    /// Default service accounts for decryption and kubeconfigs may be named; off.
    pub(crate) object_level_workload_identity: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            strict_post_build_substitutions: true,
            disable_fail_fast_behavior: false,
            migrate_api_version: false,
            external_artifact: true,
            config_watchers: true,
            group_change_log: false,
            object_level_workload_identity: false,
        }
    }
}

/// Gates of which either value comes to the same here, each for the reason that COMPATIBILITY.md gives.
const WITHOUT_EFFECT: [&str; 5] = [
    "AdditiveCELDependencyCheck",
    "CacheSecretsAndConfigMaps",
    "CancelHealthCheckOnNewRevision",
    "DirectSourceFetch",
    "DisableStatusPollerCache",
];

impl Gates {
    /// Reads `Name=bool` pairs.
    ///
    /// # Errors
    /// An unknown gate, or a value that is no boolean.
    pub(crate) fn parse(pairs: &[String]) -> Result<Self, String> {
        let mut gates = Self::default();
        for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("--feature-gates: {pair:?} is not Name=bool"))?;
            let on = boolean(value.trim())
                .map_err(|error| format!("--feature-gates: {value:?} of {name} is {error}"))?;
            match name.trim() {
                "StrictPostBuildSubstitutions" => gates.strict_post_build_substitutions = on,
                "DisableFailFastBehavior" => gates.disable_fail_fast_behavior = on,
                "MigrateAPIVersion" => gates.migrate_api_version = on,
                "ExternalArtifact" => gates.external_artifact = on,
                "DisableConfigWatchers" => gates.config_watchers = !on,
                "GroupChangeLog" => gates.group_change_log = on,
                "ObjectLevelWorkloadIdentity" => gates.object_level_workload_identity = on,
                name if WITHOUT_EFFECT.contains(&name) => {}
                name => return Err(format!("--feature-gates: unknown feature gate {name}")),
            }
        }
        Ok(gates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_of_stock_are_accepted_and_others_refused() {
        let parse = |pairs: &[&str]| Gates::parse(&pairs.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parse(&[]), Ok(Gates::default()));
        assert_eq!(
            parse(&[
                "StrictPostBuildSubstitutions=false",
                "MigrateAPIVersion=true",
                "GroupChangeLog=T",
                "ExternalArtifact=0",
                " DisableConfigWatchers = true",
            ]),
            Ok(Gates {
                strict_post_build_substitutions: false,
                migrate_api_version: true,
                group_change_log: true,
                external_artifact: false,
                config_watchers: false,
                ..Gates::default()
            })
        );
        for bad in ["Nope=true", "GroupChangeLog", "GroupChangeLog=maybe"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}

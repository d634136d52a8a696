//! Feature gates: those of stock kustomize-controller 1.9, and what each means here.

use controller_process::{DeployerGates, gates};

/// The gates that change what this binary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gates {
    /// Variables that are not set are errors; on.
    pub(crate) strict_post_build_substitutions: bool,
    /// Entries of `managedFields` are moved to the applied API version; off.
    pub(crate) migrate_api_version: bool,
    /// Those that all deployers have. `ExternalArtifact` is on, because that is what Artifacts are for (stock: off).
    pub(crate) deployer: DeployerGates,
    /// Logged change sets are grouped by action; off.
    pub(crate) group_change_log: bool,
    /// Default service accounts for decryption and kubeconfigs may be named; off.
    pub(crate) object_level_workload_identity: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            strict_post_build_substitutions: true,
            migrate_api_version: false,
            deployer: DeployerGates::default(),
            group_change_log: false,
            object_level_workload_identity: false,
        }
    }
}

/// The gates of stock. Either value of the last five comes to the same here, for the reason that COMPATIBILITY.md gives.
const KNOWN: [&str; 12] = [
    "StrictPostBuildSubstitutions",
    "DisableFailFastBehavior",
    "MigrateAPIVersion",
    "ExternalArtifact",
    "DisableConfigWatchers",
    "GroupChangeLog",
    "ObjectLevelWorkloadIdentity",
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
        let given = gates::parse(pairs, &KNOWN)?;
        let is_on = |name, default| given.get(name).copied().unwrap_or(default);
        Ok(Self {
            strict_post_build_substitutions: is_on("StrictPostBuildSubstitutions", true),
            migrate_api_version: is_on("MigrateAPIVersion", false),
            group_change_log: is_on("GroupChangeLog", false),
            object_level_workload_identity: is_on("ObjectLevelWorkloadIdentity", false),
            deployer: DeployerGates {
                external_artifact: is_on("ExternalArtifact", true),
                config_watchers: !is_on("DisableConfigWatchers", false),
                fail_fast: !is_on("DisableFailFastBehavior", false),
            },
        })
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
                deployer: DeployerGates {
                    external_artifact: false,
                    config_watchers: false,
                    ..DeployerGates::default()
                },
                ..Gates::default()
            })
        );
        for bad in ["Nope=true", "GroupChangeLog", "GroupChangeLog=maybe"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}

//! Feature gates: those of stock kustomize-controller 1.9 and helm-controller 1.6, and what each means here.
//!
//! Both deployers accept the gates of both, so that one list may serve them.

use controller_process::{DeployerGates, gates};

/// The gates that change what the kustomize deployer does.
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
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            strict_post_build_substitutions: true,
            migrate_api_version: false,
            deployer: DeployerGates::default(),
            group_change_log: false,
        }
    }
}

/// The gates that change what the Helm deployer does; all are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HelmGates {
    /// Those that all deployers have.
    pub(crate) deployer: DeployerGates,
    /// Defaults of actions are those of Helm 3.
    pub(crate) use_helm3_defaults: bool,
    /// Failed actions are retried where no strategy is named.
    pub(crate) default_to_retry_on_failure: bool,
    /// A newer event ends the wait for the objects of a release. (For those of a Kustomization it always does.)
    pub(crate) cancel_health_check_on_new_revision: bool,
    /// The digest of an artifact is no part of a chart's version.
    pub(crate) disable_chart_digest_tracking: bool,
    /// Templates may look up the addresses of hosts.
    pub(crate) allow_dns_lookups: bool,
    /// The process ends in order when it is near its memory limit.
    pub(crate) oom_watch: bool,
}

/// The gates of stock. Either value of the last six comes to the same here, for the reason that COMPATIBILITY.md gives.
const KNOWN: [&str; 20] = [
    "StrictPostBuildSubstitutions",
    "DisableFailFastBehavior",
    "MigrateAPIVersion",
    "ExternalArtifact",
    "DisableConfigWatchers",
    "GroupChangeLog",
    "ObjectLevelWorkloadIdentity",
    "UseHelm3Defaults",
    "DefaultToRetryOnFailure",
    "CancelHealthCheckOnNewRevision",
    "DisableChartDigestTracking",
    "AllowDNSLookups",
    "OOMWatch",
    "AdditiveCELDependencyCheck",
    "AdoptLegacyReleases",
    "CacheSecretsAndConfigMaps",
    "CorrectDrift",
    "DetectDrift",
    "DirectSourceFetch",
    "DisableStatusPollerCache",
];

/// Tells whether a gate is on.
type IsOn<'g> = &'g dyn Fn(&str, bool) -> bool;

fn deployer(is_on: IsOn<'_>) -> DeployerGates {
    DeployerGates {
        external_artifact: is_on("ExternalArtifact", true),
        config_watchers: !is_on("DisableConfigWatchers", false),
        fail_fast: !is_on("DisableFailFastBehavior", false),
        additive_cel_dependency_check: is_on("AdditiveCELDependencyCheck", false),
        object_level_workload_identity: is_on("ObjectLevelWorkloadIdentity", false),
    }
}

impl HelmGates {
    /// Reads `Name=bool` pairs.
    ///
    /// # Errors
    /// An unknown gate, or a value that is no boolean.
    pub(crate) fn parse(pairs: &[String]) -> Result<Self, String> {
        let given = gates::parse(pairs, &KNOWN)?;
        let is_on = |name: &str, default| given.get(name).copied().unwrap_or(default);
        Ok(Self {
            deployer: deployer(&is_on),
            use_helm3_defaults: is_on("UseHelm3Defaults", false),
            default_to_retry_on_failure: is_on("DefaultToRetryOnFailure", false),
            cancel_health_check_on_new_revision: is_on("CancelHealthCheckOnNewRevision", false),
            disable_chart_digest_tracking: is_on("DisableChartDigestTracking", false),
            allow_dns_lookups: is_on("AllowDNSLookups", false),
            oom_watch: is_on("OOMWatch", false),
        })
    }
}

impl Gates {
    /// Reads `Name=bool` pairs.
    ///
    /// # Errors
    /// An unknown gate, or a value that is no boolean.
    pub(crate) fn parse(pairs: &[String]) -> Result<Self, String> {
        let given = gates::parse(pairs, &KNOWN)?;
        let is_on = |name: &str, default| given.get(name).copied().unwrap_or(default);
        Ok(Self {
            strict_post_build_substitutions: is_on("StrictPostBuildSubstitutions", true),
            migrate_api_version: is_on("MigrateAPIVersion", false),
            group_change_log: is_on("GroupChangeLog", false),
            deployer: deployer(&is_on),
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
            })
        );
        let helm = HelmGates::parse(&["UseHelm3Defaults=1".to_owned(), "GroupChangeLog=true".to_owned()]);
        let expected = HelmGates {
            use_helm3_defaults: true,
            ..HelmGates::default()
        };
        assert_eq!(helm, Ok(expected));
        assert!(parse(&["UseHelm3Defaults=1", "OOMWatch=false"]).is_ok());
        for bad in ["Nope=true", "GroupChangeLog", "GroupChangeLog=maybe"] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}

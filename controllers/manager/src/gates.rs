//! Feature gates: those of stock kustomize-controller 1.9, and what each means here.

/// The gates that change what this binary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gates {
    /// Variables that are not set are errors; on.
    pub(crate) strict_post_build_substitutions: bool,
    /// A failed object does not end health checks early; off.
    pub(crate) disable_fail_fast_behavior: bool,
    /// Entries of `managedFields` are moved to the applied API version; off.
    pub(crate) migrate_api_version: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            strict_post_build_substitutions: true,
            disable_fail_fast_behavior: false,
            migrate_api_version: false,
        }
    }
}

/// Gates whose effect is built in, or that tune what this controller does not have: any value is accepted.
const WITHOUT_EFFECT: [&str; 7] = [
    "CacheSecretsAndConfigMaps",
    "DisableStatusPollerCache",
    "GroupChangeLog",
    "ExternalArtifact",
    "CancelHealthCheckOnNewRevision",
    "DirectSourceFetch",
    "DisableConfigWatchers",
];

/// Gates of features that a later version brings: switching them on is an error, because it would be ignored.
const NOT_SUPPORTED: [&str; 2] = ["AdditiveCELDependencyCheck", "ObjectLevelWorkloadIdentity"];

impl Gates {
    /// Reads `Name=bool` pairs.
    ///
    /// # Errors
    /// An unknown gate, a value that is no boolean, or a gate that is not supported and switched on.
    pub(crate) fn parse(pairs: &[String]) -> Result<Self, String> {
        let mut gates = Self::default();
        for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("--feature-gates: {pair:?} is not Name=bool"))?;
            let on = match value.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => true,
                "false" | "f" | "0" => false,
                _ => return Err(format!("--feature-gates: {value:?} of {name} is not a boolean")),
            };
            match name {
                "StrictPostBuildSubstitutions" => gates.strict_post_build_substitutions = on,
                "DisableFailFastBehavior" => gates.disable_fail_fast_behavior = on,
                "MigrateAPIVersion" => gates.migrate_api_version = on,
                name if WITHOUT_EFFECT.contains(&name) => {}
                name if NOT_SUPPORTED.contains(&name) && !on => {}
                name if NOT_SUPPORTED.contains(&name) => {
                    return Err(format!(
                        "--feature-gates: {name} is not supported by this version"
                    ));
                }
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
                "GroupChangeLog=true"
            ]),
            Ok(Gates {
                strict_post_build_substitutions: false,
                migrate_api_version: true,
                ..Gates::default()
            })
        );
        for bad in [
            "Nope=true",
            "GroupChangeLog",
            "GroupChangeLog=maybe",
            "AdditiveCELDependencyCheck=true",
        ] {
            assert!(parse(&[bad]).is_err(), "{bad}");
        }
    }
}

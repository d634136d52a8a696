//! Whether our controller was given the flags of stock's that say what is allowed.

use flux_api::Arguments;
use k8s_openapi::api::apps::v1::Deployment;

use super::facts::name;
use super::{Facts, Finding};
use crate::DeployerKind;
use crate::owner::our_flag;

/// Switches that forbid something: laxer at ours is a failure.
const FORBIDS: [&str; 2] = ["no-cross-namespace-refs", "no-remote-bases"];
/// Switches that allow something dangerous.
const ALLOWS: [&str; 2] = ["insecure-kubeconfig-exec", "insecure-kubeconfig-tls"];
/// Accounts that are used where an object names none: ours without one acts with rights of its own.
const ACCOUNTS: [&str; 3] = [
    "default-service-account",
    "default-decryption-service-account",
    "default-kubeconfig-service-account",
];
/// Flags of which a different value changes what is done, or how fast.
const DIFFERS: [&str; 8] = [
    "concurrent",
    "requeue-dependency",
    "override-manager",
    "feature-gates",
    "sops-age-secret",
    "custom-apply-stage-kinds",
    "watch-configs-label-selector",
    "snapshot-digest-algo",
];

pub(super) fn mirrored(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (ours, own) in facts.ours() {
        for (kind, stock, _, theirs) in facts.deployers() {
            findings.extend(compare(kind, (stock, &theirs), (ours, &own)));
        }
    }
    findings
}

fn compare(
    kind: DeployerKind,
    (stock, theirs): (&Deployment, &Arguments),
    (ours, own): (&Deployment, &Arguments),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own_switch = |flag: &str| {
        let for_one = own.is_on(&format!("{}.{flag}", kind.flag_prefix()));
        for_one.or_else(|| own.is_on(flag)).unwrap_or_default()
    };
    let laxer = |flag: &str, value: &str, meaning: &str| {
        Finding::failure(format!(
            "{} has --{flag}{value}, ours has not: {meaning}",
            name(stock)
        ))
        .fix(&format!("add --{flag}{value} to the arguments of {}", name(ours)))
    };
    for flag in FORBIDS {
        // Bases are the kustomize deployer's alone.
        if theirs.is_on(flag) == Some(true) && !own_switch(flag) {
            let meaning = match flag {
                "no-remote-bases" => "whoever writes manifests could have any address fetched",
                _ => "tenants could use sources of other namespaces",
            };
            findings.push(laxer(flag, "=true", meaning));
        }
    }
    for flag in ACCOUNTS {
        let (Some(account), ours) = (theirs.value(flag), our_flag(own, kind, flag)) else {
            continue;
        };
        if account.is_empty() || ours == Some(account) {
            continue;
        }
        if ours.unwrap_or_default().is_empty() {
            let meaning = "objects that name no account would be handled with the rights of the controller";
            findings.push(laxer(flag, &format!("={account}"), meaning));
        } else {
            findings.push(Finding::warning(format!(
                "{} has --{flag}={account}, ours has {}",
                name(stock),
                ours.unwrap_or_default()
            )));
        }
    }
    for flag in ALLOWS {
        if own_switch(flag) && theirs.is_on(flag) != Some(true) {
            findings.push(
                Finding::failure(format!("{} has --{flag}, {} has not", name(ours), name(stock)))
                    .fix(&format!("take --{flag} out of the arguments of {}", name(ours))),
            );
        }
    }
    for flag in DIFFERS {
        let given = theirs.values(flag, None).collect::<Vec<_>>().join(",");
        let own_name = format!("{}.{flag}", kind.flag_prefix());
        let mut ours: Vec<_> = own.values(&own_name, None).collect();
        if ours.is_empty() {
            ours = own.values(flag, None).collect();
        }
        if !given.is_empty() && given != ours.join(",") {
            findings.push(
                Finding::warning(format!("{} has --{flag}={given}, ours has not", name(stock))).fix(
                    &format!("--{own_name}={given} sets it for {}s alone", kind.kind()),
                ),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use crate::owner::OPENFLUX;
    use crate::owner::tests::deployment;

    fn levels(stock: &[&str], ours: &[&str]) -> Vec<(Level, String)> {
        let (stock, ours) = (
            deployment("kustomize-controller", stock, 1, 1),
            deployment(OPENFLUX, ours, 1, 1),
        );
        let arguments = |deployment: &Deployment| {
            let pod = deployment.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            Arguments::of(&pod.containers[0])
        };
        let findings = compare(
            DeployerKind::Kustomization,
            (&stock, &arguments(&stock)),
            (&ours, &arguments(&ours)),
        );
        findings
            .into_iter()
            .map(|finding| (finding.level, finding.what))
            .collect()
    }

    #[track_caller]
    fn check(stock: &[&str], ours: &[&str], expected: Option<Level>) {
        let found = levels(stock, ours);
        assert_eq!(found.iter().map(|(level, _)| *level).max(), expected, "{found:?}");
    }

    #[test]
    fn laxer_is_a_failure_and_different_a_warning() {
        let (bad, odd) = (Some(Level::Failure), Some(Level::Warning));
        check(&[], &[], None);
        check(&["--no-cross-namespace-refs=true"], &[], bad);
        check(
            &["--no-cross-namespace-refs"],
            &["--no-cross-namespace-refs=true"],
            None,
        );
        check(&["--no-cross-namespace-refs=false"], &[], None);
        check(
            &["--no-remote-bases"],
            &["--kustomize.no-remote-bases=true"],
            None,
        );
        check(&["--default-service-account=x"], &[], bad);
        check(
            &["--default-service-account=x"],
            &["--default-service-account=y"],
            odd,
        );
        check(
            &["--default-service-account=x"],
            &["--kustomize.default-service-account=x"],
            None,
        );
        check(&[], &["--insecure-kubeconfig-exec"], bad);
        check(&["--concurrent=20"], &["--concurrent=4"], odd);
        check(&["--concurrent=20"], &["--kustomize.concurrent=20"], None);
        check(&["--feature-gates=A=true"], &["--feature-gates=A=true"], None);
    }
}

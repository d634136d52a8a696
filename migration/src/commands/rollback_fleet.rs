//! `openflux migrate rollback --fleet`: stock selects everything again, at once.

use std::io::Write;
use std::time::Duration;

use flux_fleet::DeployerKind;
use flux_fleet::moving::Ending;
use flux_fleet::moving::way_back::{Exclusion, exclusion};
use flux_fleet::text::clean;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::Outcome;
use crate::cluster::{CommandError, print_lines};
use crate::moving::asking::confirm;
use crate::moving::flux::said;
use crate::moving::setting::Setting;

/// How it is done.
pub(super) struct Asked {
    /// Nothing is written.
    pub(super) dry_run: bool,
    /// Nothing is asked.
    pub(super) yes: bool,
    /// How long the roll-outs may take.
    pub(super) timeout: Duration,
}

/// Takes the exclusion from all stock Deployments.
///
/// What was begun and has not come to its end, it goes on with.
pub(super) async fn fleet(
    args: &Asked,
    setting: &Setting,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let (key, _) = &setting.label;
    let (mut changes, mut rolling) = (Vec::new(), Vec::new());
    for kind in DeployerKind::ALL {
        for (deployment, container) in setting.facts.stock(kind.controller()) {
            if !is_rolled_out(deployment) {
                rolling.push((deployment.namespace().unwrap_or_default(), deployment.name_any()));
            }
            let found = exclusion(container, &setting.label);
            if let Exclusion::Excludes { arguments } = found {
                let containers = deployment
                    .spec
                    .iter()
                    .filter_map(|spec| spec.template.spec.as_ref());
                let at = containers
                    .flat_map(|pod| &pod.containers)
                    .position(|other| other.name == container.name);
                changes.push((
                    deployment,
                    at.unwrap_or_default(),
                    container.args.clone(),
                    arguments,
                ));
            }
        }
    }
    if changes.is_empty() && rolling.is_empty() {
        print_lines(
            out,
            [format!(
                "No stock controller excludes {key}: there is nothing to do."
            )],
        )?;
        return Ok(Outcome::Done);
    }
    for (deployment, ..) in &changes {
        let name = format!(
            "{}/{}",
            deployment.namespace().unwrap_or_default(),
            deployment.name_any()
        );
        print_lines(
            out,
            [format!(
                "{}: its selector would not exclude {key} any more",
                clean(&name)
            )],
        )?;
    }
    for (namespace, name) in &rolling {
        let name = format!("{namespace}/{name}");
        print_lines(out, [format!("{}: its roll-out has not ended", clean(&name))])?;
    }
    if args.dry_run {
        print_lines(out, ["Nothing was written (--dry-run).".to_owned()])?;
        return Ok(Outcome::Done);
    }
    let asked = format!("Have stock select everything on {}?", setting.cluster.name);
    if !confirm(&asked, args.yes)? {
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    let client = &setting.cluster.client;
    // All first: as long as one controller of stock is left out, its objects have another owner than the rest.
    let (mut patched, mut failures) = (Vec::new(), Vec::new());
    for (deployment, at, before, after) in &changes {
        let path = format!("/spec/template/spec/containers/{at}/args");
        let patch = json!([{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]);
        let patch: Patch<()> = Patch::Json(
            serde_json::from_value(patch).map_err(|error| CommandError::Document(error.to_string()))?,
        );
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        let params = PatchParams {
            field_manager: Some(flux_fleet::moving::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let name = deployment.name_any();
        match api.patch(&name, &params, &patch).await {
            Ok(_) => patched.push((api, namespace, name)),
            Err(error) => {
                let error = CommandError::api(format!("Deployment {namespace}/{name}"))(error);
                if patched.is_empty() {
                    return Err(error);
                }
                failures.push(error);
            }
        }
    }
    // What was patched before and has not rolled out has the old selector still.
    for (namespace, name) in rolling {
        let is_known = patched
            .iter()
            .any(|(_, known, of)| *known == namespace && *of == name);
        if !is_known {
            patched.push((Api::namespaced(client.clone(), &namespace), namespace, name));
        }
    }
    let rolling_out = patched
        .iter()
        .map(|(api, _, name)| await_roll_out(api, name, args.timeout));
    let rolled_out = futures::future::join_all(rolling_out).await;
    for ((_, namespace, name), rolled_out) in patched.iter().zip(rolled_out) {
        match rolled_out {
            Ok(()) => print_lines(out, [format!("{namespace}/{name}: selects everything again")])?,
            Err(error) => failures.push(error),
        }
    }
    if !failures.is_empty() {
        let lines = failures.iter().map(|error| clean(&said(error)).into_owned());
        print_lines(out, lines)?;
        print_lines(
            out,
            ["Stopped: not all was done. openflux migrate rollback --fleet goes on.".to_owned()],
        )?;
        return Ok(Outcome::Ended(Ending::Stopped.exit_code()));
    }
    print_lines(
        out,
        [
            "openflux stands back from what stock selects. Take the exclusion out of the bootstrap repository or the".to_owned(),
            "FluxInstance too, which bring it back otherwise. openflux migrate verify looks again.".to_owned(),
        ],
    )?;
    Ok(Outcome::Done)
}

/// Whether the pods of a Deployment are those that it wants, and no others.
fn is_rolled_out(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    status.observed_generation >= deployment.metadata.generation
        && status.updated_replicas.unwrap_or_default() >= status.replicas.unwrap_or_default()
        && status.terminating_replicas.unwrap_or_default() == 0
        && (status.ready_replicas.unwrap_or_default() > 0 || wanted == 0)
}

async fn await_roll_out(api: &Api<Deployment>, name: &str, timeout: Duration) -> Result<(), CommandError> {
    let end = tokio::time::Instant::now() + timeout;
    loop {
        let found = api.get(name).await;
        let deployment = found.map_err(CommandError::api(format!("Deployment {name}")))?;
        if is_rolled_out(&deployment) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= end {
            return Err(CommandError::Usage(format!(
                "the roll-out of Deployment {name} has not ended: kubectl rollout status says why"
            )));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_out_ends_with_the_pods_that_are_wanted() {
        let is = |replicas: u32, status: serde_json::Value| {
            let deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": replicas,
                "selector": {}, "template": {}}, "status": status});
            is_rolled_out(&serde_json::from_value(deployment).unwrap())
        };
        let ready = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1});
        assert!(is(1, ready.clone()));
        for (field, value) in [
            ("observedGeneration", 1),
            ("updatedReplicas", 0),
            ("readyReplicas", 0),
        ] {
            let mut status = ready.clone();
            status[field] = value.into();
            assert!(!is(1, status), "{field}");
        }
        // Whoever has scaled it to nothing waits for nobody.
        assert!(is(0, json!({"observedGeneration": 2})));
        assert!(!is(1, json!({"observedGeneration": 2})));
    }
}

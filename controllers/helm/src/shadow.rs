//! What a run would change, and whether it would be what stock has left: the steps of a run up to the decision, and nothing that writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use artifact_crd::Artifact;
use flux_api::{
    ConditionStatus, ConditionsExt, HelmRelease, READY, RECONCILING, ReleaseSnapshot, SNAPSHOT_API_VERSION,
    STALLED, shorten_release_name,
};
use flux_deployer::shadow::{configs, proof};
use flux_deployer::{Run, Shadowed};
use flux_proof::{Counts, Finding, NextUpgrade, ReleaseProof};
use helm::release::Release;

use crate::action::{ActionError, Upgrade, Wanted};
use crate::cluster::Cluster;
use crate::deploy::source_problem;
use crate::desired::Desired;
use crate::kind::Helm;
use crate::machine::{Action, Next, State, Verification, target_change};
use crate::observe::verify;
use crate::release::next_step;
use crate::scene::{actions, cluster, defaults};
use crate::source::source;
use crate::stop::Stop;
use crate::storage::Storage;

/// How many parts of a manifest are named.
const NAMED: usize = 5;

/// Finds out what a run would change.
pub(crate) async fn shadow(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Shadowed {
    match Box::pin(look(run, artifact)).await {
        Ok(shadowed) => shadowed,
        Err(stop) => finding(&run.object, &stop).into(),
    }
}

async fn look(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Result<Shadowed, Stop> {
    let object = Arc::clone(&run.object);
    let source = source(&object, &run.context.settings.access);
    let source = source.map_err(|error| Stop::Refused((&error).into()))?;
    if let Some(problem) = source_problem(run, &source, artifact) {
        return Err(Stop::Source(problem));
    }
    let configs = configs(run).await;
    let desired = Desired::of(run, &source, artifact).await?;
    let mut findings = unsettled(&object);
    if let Some(what) = target_change(&object, &run.status, desired.identity().name) {
        let why = format!("it would be uninstalled and installed anew, because of another {what}");
        findings.push(Finding::new("M113", why));
        return Ok(unproven(findings));
    }
    let cluster = cluster(run).await?;
    let storage = Storage::new(cluster.rest.clone(), &run.status.storage_namespace);
    let name = shorten_release_name(&object.release_name());
    let stored = match storage.last(&name).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            findings.push(Finding::new("M113", format!("there is no release {name}")));
            return Ok(unproven(findings));
        }
        Err(error) => {
            findings.push(Finding::new("M113", error.to_string()));
            return Ok(unproven(findings));
        }
    };
    let snapshot = run.status.history.latest().cloned();
    let digest_matches = snapshot.as_ref().and_then(|snapshot| is_same(&stored, snapshot));
    if digest_matches == Some(false) {
        let why = "the stored release is not the one that the status tells of";
        findings.push(Finding::new("M113", why));
    }
    // The decision that a real run would come to, with what it would look at.
    let (next, _) = next_step(run, &object, &desired, &storage, None).await?;
    let due = due(&next, &desired, run, snapshot.as_ref());
    // What is stored was not made of what is wanted now, where something is due.
    let (next_upgrade, more) = match &due {
        Some(_) => (NextUpgrade::Unknown, None),
        None => render_again(run, &cluster, &desired, &stored).await?,
    };
    findings.extend(due.into_iter().chain(more));
    let spec = serde_json::to_value(&object.spec).unwrap_or_default();
    let inventory = object.status.inventory.clone().unwrap_or_default();
    let compared = parts(&stored.manifest.read()).len();
    let changed = usize::from(findings.iter().any(|finding| !finding.is_remark())).min(compared);
    let mut proof = proof(run, artifact, &spec, &inventory.entries, &configs);
    proof.counts = Counts {
        compared,
        identical: compared - changed,
        changed,
        ..Counts::default()
    };
    proof.release = Some(ReleaseProof {
        name: stored.name.clone(),
        version: stored.version,
        chart: format!("{}-{}", desired.identity().name, desired.identity().version),
        digest_matches,
        next_upgrade,
    });
    let differences = findings
        .iter()
        .filter(|finding| !finding.is_remark() && finding.code != "M104");
    Ok(Shadowed {
        proof: Some(proof),
        differences: differences.cloned().collect(),
        findings,
    })
}

fn unproven(findings: Vec<Finding>) -> Shadowed {
    Shadowed {
        findings,
        ..Shadowed::default()
    }
}

/// Stock has settled on the object as it is now.
fn unsettled(object: &HelmRelease) -> Vec<Finding> {
    let status = &object.status;
    let is = |type_: &str| status.conditions.has_status(type_, ConditionStatus::True);
    let ready = status.conditions.get_condition(READY);
    let mut findings = Vec::new();
    if object.metadata.generation != Some(status.observed_generation) {
        let why = "its spec was changed, and not reconciled yet";
        findings.push(Finding::new("M104", why));
    }
    if is(STALLED) || ready.is_some_and(|ready| ready.status == "False") {
        let why = ready.map(|ready| ready.reason.as_str()).unwrap_or_default();
        findings.push(Finding::new("M104", format!("it fails: {why}")));
    } else if !is(READY) || is(RECONCILING) {
        findings.push(Finding::new("M104", "its controller is at work on it"));
    }
    findings
}

/// Tells whether what is stored is what stock has taken a digest of; nothing if that cannot be compared.
fn is_same(stored: &Release, snapshot: &ReleaseSnapshot) -> Option<bool> {
    if snapshot.api_version != SNAPSHOT_API_VERSION {
        return None;
    }
    let verification = verify(stored, snapshot);
    Some(verification.is_ok_and(|verification| verification == Verification::Same))
}

/// What a run would do, if it would do something.
fn due(
    next: &Next,
    desired: &Desired,
    run: &Run<'_, Helm>,
    snapshot: Option<&ReleaseSnapshot>,
) -> Option<Finding> {
    let (code, why) = match next {
        Next::InSync => return None,
        Next::LeaveDrift(drift) => ("M201", drift.clone()),
        Next::Run {
            action,
            state,
            reason,
        } => match (action, state) {
            (Action::CorrectDrift, State::Drifted(drift)) => ("M201", drift.clone()),
            (Action::CorrectDrift, _) => ("M201", reason.clone()),
            (_, State::Locked) => ("M112", format!("its release is locked: {reason}")),
            (_, State::OutOfSync) => (out_of_sync(desired, run, snapshot), reason.clone()),
            (action, _) => ("M113", format!("{} would follow: {reason}", action.name())),
        },
        Next::Undetermined(why) => ("M113", why.clone()),
        Next::Exhausted(what) => ("M104", format!("no attempt is left: {what}")),
        Next::NoRollbackTarget => ("M104", "there is no release to go back to".to_owned()),
        Next::Failed(why) => ("M104", why.clone()),
        Next::CompareWithCluster | Next::VerifyPrevious(_) => ("M120", "it came to no decision".to_owned()),
    };
    Some(Finding::new(code, why))
}

/// Which part of what is wanted is another one.
fn out_of_sync(desired: &Desired, run: &Run<'_, Helm>, snapshot: Option<&ReleaseSnapshot>) -> &'static str {
    let Some(snapshot) = snapshot else {
        return "M113";
    };
    let chart = desired.identity();
    if snapshot.chart_name != chart.name || snapshot.chart_version != chart.version {
        return "M115";
    }
    let is_configuration = !desired.has_values(&snapshot.config_digest)
        || run.status.observed_post_renderers_digest != desired.digests.post_renderers
        || run.status.observed_common_metadata_digest != desired.digests.common_metadata;
    if is_configuration { "M114" } else { "M113" }
}

/// Renders what is stored once more, as the next upgrade would.
async fn render_again(
    run: &mut Run<'_, Helm>,
    cluster: &Cluster,
    desired: &Desired,
    stored: &Release,
) -> Result<(NextUpgrade, Option<Finding>), Stop> {
    let (object, defaults, own) = (Arc::clone(&run.object), defaults(run), &run.context.own);
    let chart = desired.chart(run).await?;
    let wanted = Wanted {
        chart,
        values: &desired.values,
        renderer: &own.renderer,
        limits: own.settings.chart_limits,
        template_limits: own.settings.template_limits,
    };
    let upgrade = match Upgrade::of(&object, defaults) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            return Ok((
                NextUpgrade::Unknown,
                Some(Finding::new("M102", error.to_string())),
            ));
        }
    };
    let actions = actions(run, cluster);
    let render = async |is_upgrade: bool| -> Result<Release, ActionError> {
        actions.render_like(stored, is_upgrade, &upgrade, &wanted).await
    };
    // Templates may ask which it was.
    let is_upgrade = stored.version > 1;
    let failed = |error: ActionError| {
        let why = format!("the chart cannot be rendered: {error}");
        (NextUpgrade::Unknown, Some(Finding::new("M115", why)))
    };
    let first = match render(is_upgrade).await {
        Ok(first) => first,
        Err(error) => return Ok(failed(error)),
    };
    let differs = differing(stored, &first);
    if differs.is_empty() {
        return Ok((NextUpgrade::Identical, None));
    }
    let other = match render(!is_upgrade).await {
        Ok(other) => other,
        Err(error) => return Ok(failed(error)),
    };
    if differing(stored, &other).is_empty() {
        return Ok((NextUpgrade::Identical, None));
    }
    let second = match render(is_upgrade).await {
        Ok(second) => second,
        Err(error) => return Ok(failed(error)),
    };
    let random = differing(&first, &second);
    let named: Vec<_> = differs.iter().take(NAMED).map(String::as_str).collect();
    let named = named.join(", ");
    Ok(if differs.is_subset(&random) {
        let why = format!("made up with each rendering, so that the next upgrade changes it: {named}");
        (NextUpgrade::Random, Some(Finding::new("M202", why)))
    } else {
        let why = format!("the next upgrade would render something else: {named}");
        (NextUpgrade::Different, Some(Finding::new("M115", why)))
    })
}

/// The parts of two revisions that are not the same, by the files that they come from.
fn differing(one: &Release, other: &Release) -> BTreeSet<String> {
    let all = |release: &Release| -> Vec<(String, String)> {
        let manifest = release.manifest.read();
        let manifests = parts(&manifest).into_iter();
        let manifests = manifests.enumerate().map(|(at, part)| {
            let source = part.lines().find_map(|line| line.strip_prefix("# Source: "));
            let name = source.map_or_else(|| format!("object {}", at + 1), str::to_owned);
            (name, part.to_owned())
        });
        let hooks = release.hooks.iter();
        let hooks = hooks.map(|hook| (hook.path.clone(), hook.manifest.clone()));
        manifests.chain(hooks).collect()
    };
    let (one, other) = (all(one), all(other));
    let missing = |from: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
        let missing = from.iter().filter(|part| !other.contains(part));
        missing.map(|(name, _)| name.clone()).collect()
    };
    let mut differing: BTreeSet<String> = missing(&one, &other).into_iter().collect();
    differing.extend(missing(&other, &one));
    if differing.is_empty() && one != other {
        differing.insert("the order of objects".to_owned());
    }
    differing
}

/// The documents of a manifest.
fn parts(manifest: &str) -> Vec<&str> {
    let parts = manifest.split("---\n");
    parts.filter(|part| !part.trim().is_empty()).collect()
}

/// Says why it did not come to a decision.
fn finding(object: &HelmRelease, stop: &Stop) -> Finding {
    let is_ready = object.status.conditions.has_status(READY, ConditionStatus::True);
    let code = match stop {
        Stop::Halted(_) => return Finding::new("M120", "it was changed meanwhile, or the controller ends"),
        Stop::Refused(_) => "M102",
        Stop::Dependency(_) => "M104",
        Stop::Source(_) | Stop::NoFile(_) | Stop::Artifact(_) | Stop::HelmChart(_) => "M105",
        Stop::Values(_) => "M114",
        Stop::Chart(_) | Stop::Version(_) | Stop::Digest(_) if is_ready => "M115",
        Stop::Chart(_) | Stop::Version(_) | Stop::Digest(_) => "M104",
        Stop::Crashed(_)
        | Stop::Cluster(_)
        | Stop::LastCluster(_)
        | Stop::LastIdentity { .. }
        | Stop::Uninstall(_) => "M120",
    };
    Finding::new(code, stop.to_string())
}

#[cfg(test)]
mod tests {
    use helm::release::Hook;

    use super::*;

    fn release(manifest: &str, hook: &str) -> Release {
        Release {
            manifest: manifest.into(),
            hooks: vec![Hook {
                path: "web/templates/hook.yaml".to_owned(),
                manifest: hook.to_owned(),
                ..Hook::default()
            }],
            ..Release::default()
        }
    }

    #[test]
    fn what_differs_is_named_by_its_file() {
        let text = |password: &str| {
            format!(
                "---\n# Source: web/templates/a.yaml\nkind: A\n---\n# Source: web/templates/b.yaml\nkind: B\npassword: {password}\n"
            )
        };
        let names = |one: &Release, other: &Release| differing(one, other).into_iter().collect::<Vec<_>>();
        let first = release(&text("x"), "kind: H");
        assert_eq!(parts(&first.manifest.read()).len(), 2);
        assert!(names(&first, &first).is_empty());
        assert_eq!(
            names(&first, &release(&text("y"), "kind: H")),
            ["web/templates/b.yaml"]
        );
        assert_eq!(
            names(&first, &release(&text("x"), "kind: I")),
            ["web/templates/hook.yaml"]
        );
        let turned = release("---\nkind: B\n---\nkind: A\n", "kind: H");
        let straight = release("---\nkind: A\n---\nkind: B\n", "kind: H");
        assert_eq!(names(&turned, &straight).len(), 2);
    }
}

//! What a run would change, and whether it would be what stock has left: the stages of a run up to the plan, and nothing that writes.

use artifact_crd::Artifact;
use controller_kit::apply::{Applier, ApplyError, Looked, Sight, split_stages};
use controller_kit::object::{Subject, id_of};
use flux_api::{ConditionStatus, ConditionsExt, InventoryEntry, Kustomization, ORIGIN_REVISION, READY};
use flux_deployer::shadow::{configs, proof};
use flux_deployer::{Run, Shadowed, fetch};
use flux_proof::kustomization::{
    Fate, KustomizationFacts, ObjectFacts, differences, is_same_rendering, judge,
};
use flux_proof::{Circumstances, Finding, cleanup, compare, differ};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;

use crate::apply::{applier, ignored, ignores};
use crate::build::build;
use crate::decryption;
use crate::kind::{CONTROLLER, Kustomize};
use crate::ledger;
use crate::render;
use crate::stop::{Problem, Stop};
use crate::tree::ArtifactFiles;

/// Finds out what a run would change.
pub(crate) async fn shadow(run: &mut Run<'_, Kustomize>, artifact: &Artifact) -> Shadowed {
    if let Some(refusal) = decryption::refusal(&run.object, &run.context.own.settings.decryption) {
        return Finding::new("M102", refusal.message).into();
    }
    match Box::pin(look(run, artifact)).await {
        Ok(shadowed) => shadowed,
        Err(stop) => finding(&run.object, stop).into(),
    }
}

async fn look(run: &mut Run<'_, Kustomize>, artifact: &Artifact) -> Result<Shadowed, Stop> {
    ledger::begins(run, artifact);
    let cluster = run.cluster().await;
    let tree = fetch::tree(run, artifact).await??;
    render::path(&ArtifactFiles::new(&tree), &run.object).map_err(Problem::Path)?;
    let cluster = cluster.map_err(Problem::Cluster)?;
    let configs = configs(run).await;
    let rendered = build(run, artifact, tree).await?;
    let is_same = is_same_rendering(&run.object, &rendered.checksum);
    let stages = split_stages(rendered.objects, &run.context.own.settings.custom_stage);
    let objects = stages.into_iter().flat_map(|stage| stage.objects);
    let ignored = ignored(&run.object)?;
    let ignores = ignores(&ignored);
    let facts = KustomizationFacts {
        revision: artifact.spec.revision.clone(),
        origin_revision: origin(artifact),
        artifact_updated: artifact.spec.last_update_time.clone(),
        checksum: rendered.checksum,
        objects: look_at_all(run, &applier(run, &cluster, &ignores), objects, is_same).await,
        configs,
    };
    let (counts, findings) = judge(&run.object, &facts);
    let spec = serde_json::to_value(&run.object.spec).unwrap_or_default();
    let inventory = run.object.status.inventory.clone().unwrap_or_default();
    let mut proof = proof(run, artifact, &spec, &inventory.entries, &facts.configs);
    proof.rendered.clone_from(&facts.checksum);
    proof.counts = counts;
    Ok(Shadowed {
        proof: Some(proof),
        findings,
        differences: differences(&run.object, &facts),
    })
}

fn origin(artifact: &Artifact) -> String {
    let metadata = artifact.spec.metadata.as_ref();
    let origin = metadata.and_then(|all| all.get(ORIGIN_REVISION)).cloned();
    origin.unwrap_or_default()
}

/// Looks at all objects, in their order.
async fn look_at_all(
    run: &Run<'_, Kustomize>,
    applier: &Applier<'_>,
    objects: impl Iterator<Item = Value>,
    is_same_rendering: bool,
) -> Vec<ObjectFacts> {
    let applier = Applier {
        // What is told about an object never has a value of it.
        hides_values: true,
        ..*applier
    };
    let looks: Vec<_> = objects
        .map(|object| look_at(&applier, object, is_same_rendering).boxed())
        .collect();
    let at_once = run.context.own.settings.concurrent_ssa.max(1);
    futures::stream::iter(looks).buffered(at_once).collect().await
}

async fn look_at(applier: &Applier<'_>, object: Value, is_same_rendering: bool) -> ObjectFacts {
    let rendered = id_of(&object);
    let looked = match applier.look(object.clone()).await {
        Ok(looked) => looked,
        Err(error) => {
            let name = Subject(&rendered).to_string();
            let version = object
                .get("apiVersion")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let version = version.rsplit('/').next().unwrap_or_default();
            return ObjectFacts {
                entry: InventoryEntry::new(&rendered, version),
                fate: Fate::Refused(refused(&error).about(name.as_str())),
                name,
            };
        }
    };
    let name = Subject(&looked.id).to_string();
    let fate = match &looked.sight {
        Sight::Skipped => Fate::Skipped,
        Sight::Missing { .. } => Fate::Created,
        Sight::Present {
            live,
            wanted,
            needs_cleanup,
        } => {
            let circumstances = Circumstances {
                object: &name,
                manager: CONTROLLER,
                is_same_rendering,
            };
            let mut findings = compare(live, wanted, circumstances);
            if findings.is_empty() && *needs_cleanup {
                findings.push(cleanup(live, &name, CONTROLLER, |owner| {
                    owner.operation != "Apply" || owner.manager.starts_with("kubectl")
                }));
            }
            let is_open = |finding: &Finding| finding.code == "M108" && finding.owner.is_none();
            if findings.iter().any(is_open) && is_unsteady(applier, object, &looked).await {
                let why =
                    "the API server makes something else of it each time: a webhook is not deterministic";
                findings = vec![Finding::new("M110", why).about(name.as_str())];
            }
            Fate::Compared(findings)
        }
    };
    ObjectFacts {
        entry: InventoryEntry::new(&looked.id, looked.version.as_str()),
        name,
        fate,
    }
}

/// Tells whether a second look finds something else wanted than the first.
async fn is_unsteady(applier: &Applier<'_>, object: Value, first: &Looked) -> bool {
    let wanted = |looked: &Looked| match &looked.sight {
        Sight::Present { wanted, .. } | Sight::Missing { wanted } => Some(wanted.clone()),
        Sight::Skipped => None,
    };
    let Ok(second) = applier.look(object).await else {
        return false;
    };
    match (wanted(first), wanted(&second)) {
        (Some(first), Some(second)) => differ(&first, &second),
        _ => false,
    }
}

/// Says why nobody knows what would become of an object.
fn refused(error: &ApplyError) -> Finding {
    let code = match error {
        ApplyError::DryRun { source, .. } if source.is_forbidden() => "M111",
        ApplyError::NoNamespace { .. } | ApplyError::Encrypted(_) => "M108",
        _ => "M110",
    };
    Finding::new(code, error.to_string())
}

/// Says why it did not come to a comparison.
fn finding(object: &Kustomization, stop: Stop) -> Finding {
    match stop {
        Stop::Halted(_) => Finding::new("M120", "it was changed meanwhile, or the controller ends"),
        Stop::Refused(refusal) => Finding::new("M102", refusal.message),
        Stop::Artifact(error) => Finding::new("M105", error.to_string()),
        Stop::Failed(problem) => {
            let is_ready = object.status.conditions.has_status(READY, ConditionStatus::True);
            let code = match &problem {
                Problem::Cluster(_) => "M120",
                // Stock made something of it, so that it can be rendered.
                _ if is_ready => "M108",
                _ => "M104",
            };
            Finding::new(code, problem.to_string())
        }
    }
}

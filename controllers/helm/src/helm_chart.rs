//! Makes the HelmChart that a HelmRelease asks for, and deletes the one that it does not ask for any more: the one kind of
//! source that is written here. Nothing of its status is read.

use controller_kit::apply::dry_run_refused;
use controller_kit::events::Severity;
use controller_kit::object::{id_of, metadata_text, resource_version};
use controller_kit::{Mapping, ObjectPath, Seen};
use flux_api::{HelmChartTemplate, HelmRelease, SOURCE_GROUP, reason};
use flux_deployer::{Refusal, Run};
use serde_json::Value;

use crate::kind::{CONTROLLER, Helm};
use crate::made::Made;
use crate::source::HELM_CHART;
use crate::stop::Stop;
use crate::template::{has_metadata, helm_chart, owner_labels};

/// How often a deletion is decided anew because somebody wrote meanwhile.
const ATTEMPTS: usize = 5;

/// Tells whether there is a HelmChart to make, or one to delete.
pub(crate) fn is_concerned(run: &Run<'_, Helm>) -> bool {
    run.object.spec.chart.is_some() || !run.status.helm_chart.is_empty()
}

/// Makes the HelmChart of the object as it is wanted, and deletes an earlier one.
///
/// # Errors
/// The API server refuses, or the status could not be written.
pub(crate) async fn prepare(run: &mut Run<'_, Helm>) -> Result<(), Stop> {
    let template = run.object.spec.chart.clone();
    let wanted = template.as_ref().map(|template| name(&run.object, template));
    if !run.status.helm_chart.is_empty() && wanted.as_ref() != Some(&run.status.helm_chart) {
        delete(run).await?;
    }
    let (Some(template), Some(name)) = (template, wanted) else {
        return Ok(());
    };
    if run.status.helm_chart != name {
        // Recorded before it is made, so that it is deleted whatever happens.
        run.status.helm_chart = name;
        run.write().await?;
    }
    make(run, &template).await
}

/// Namespace and name of the HelmChart of a template.
fn name(object: &HelmRelease, template: &HelmChartTemplate) -> String {
    let namespace = object.helm_chart_namespace(template);
    format!("{namespace}/{}", object.helm_chart_name())
}

async fn make(run: &mut Run<'_, Helm>, template: &HelmChartTemplate) -> Result<(), Stop> {
    let wanted = helm_chart(&run.object, template);
    let (namespace, name) = (
        metadata_text(&wanted, "namespace"),
        metadata_text(&wanted, "name"),
    );
    let mapping = mapping();
    let at = ObjectPath {
        mapping: &mapping,
        namespace,
        name,
    };
    let (rest, own) = (&run.context.rest, &run.context.own);
    let live = rest.get(&mapping, namespace, name).await;
    let live = live.map_err(|error| failed(run, &error.to_string()))?;
    let known = own.made(&run.key);
    if let (Some(live), Some(known)) = (&live, &known)
        && known.wanted == wanted
        && (known.uid.as_str(), known.generation) == (metadata_text(live, "uid"), generation(live))
        && has_metadata(live, &wanted)
    {
        return Ok(());
    }
    let applied = rest.apply(&at, CONTROLLER, false, &wanted).await;
    let applied = applied.map_err(|error| failed(run, &dry_run_refused(&id_of(&wanted), &error)))?;
    let done = match &live {
        None => Some("created"),
        Some(live) if resource_version(live) != resource_version(&applied) => Some("configured"),
        Some(_) => None,
    };
    if let Some(done) = done {
        tell(run, done, template, namespace, name);
    }
    let made = Made {
        uid: metadata_text(&applied, "uid").to_owned(),
        generation: generation(&applied),
        wanted,
    };
    run.context.own.has_made(&run.key, made);
    Ok(())
}

/// Deletes the HelmChart that the status names; nothing that is not ours.
///
/// # Errors
/// The API server refuses.
pub(crate) async fn delete(run: &mut Run<'_, Helm>) -> Result<(), Stop> {
    let Some((namespace, name)) = run.status.helm_chart() else {
        return Ok(());
    };
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    if run.context.settings.access.no_cross_namespace_refs && namespace != run.key.namespace {
        return Err(Stop::Refused(Refusal {
            reason: reason::ACCESS_DENIED,
            message: format!(
                "cross-namespace references are not allowed: cannot access {HELM_CHART} {namespace}/{name}"
            ),
        }));
    }
    if delete_ours(run, &namespace, &name).await? {
        let message = format!("deleted HelmChart '{namespace}/{name}'");
        tracing::info!("{message}");
        run.tell(Severity::Trace, "HelmChartDeleted", message, None);
    }
    run.context.own.forget_chart(&run.key);
    run.status.helm_chart.clear();
    Ok(())
}

/// Deletes a HelmChart; tells whether there was one of ours.
async fn delete_ours(run: &Run<'_, Helm>, namespace: &str, name: &str) -> Result<bool, Stop> {
    let (rest, mapping) = (&run.context.rest, mapping());
    let failed = |error: String| {
        Stop::HelmChart(format!(
            "failed to delete HelmChart '{namespace}/{name}': {error}"
        ))
    };
    for _ in 0..ATTEMPTS {
        let live = rest.get(&mapping, namespace, name).await;
        let Some(live) = live.map_err(|error| failed(error.to_string()))? else {
            return Ok(false);
        };
        let is_ours = |(label, value): &(String, String)| live["metadata"]["labels"][label] == *value;
        if !owner_labels(&run.object).iter().all(is_ours) {
            tracing::warn!(
                "HelmChart '{namespace}/{name}' has not the labels of this HelmRelease, and is left alone"
            );
            return Ok(false);
        }
        let at = ObjectPath {
            mapping: &mapping,
            namespace,
            name,
        };
        match rest.delete(&at, Seen::of(&live)).await {
            Ok(deleted) => return Ok(deleted),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Err(failed("it changes all the time".to_owned()))
}

/// A HelmChart could not be made; `Ready` stays what it says.
fn failed(run: &Run<'_, Helm>, error: &str) -> Stop {
    let message = format!("failed to run server-side apply: {error}");
    run.tell(Severity::Trace, "HelmChartSyncErr", message.clone(), None);
    Stop::HelmChart(message)
}

fn tell(run: &Run<'_, Helm>, done: &str, template: &HelmChartTemplate, namespace: &str, name: &str) {
    let source = &template.spec.source_ref;
    let (first, rest) = done.split_at(1);
    let title = format!("{}{rest}", first.to_uppercase());
    let message = format!(
        "{title} {HELM_CHART}/{namespace}/{name} with SourceRef '{}/{namespace}/{}'",
        source.kind, source.name
    );
    tracing::info!("{message}");
    run.tell(Severity::Trace, &format!("HelmChart{title}"), message, None);
}

fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

fn mapping() -> Mapping {
    Mapping {
        group: SOURCE_GROUP.to_owned(),
        version: "v1".to_owned(),
        kind: HELM_CHART.to_owned(),
        plural: "helmcharts".to_owned(),
        namespaced: true,
    }
}

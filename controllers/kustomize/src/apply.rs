//! Applies rendered objects in stages.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use controller_kit::apply::{
    Action, Applier, ApplyError, ApplyMemory, ApplyOptions, Concurrency, Entry, Ignores, Interrupt, Stage,
    Verify,
};
use controller_kit::live::{Rule, Target, WaitOptions};
use controller_kit::{Cluster, Triggers};
use flux_api::{Deployed, Kustomization};
use flux_deployer::wanted::{newer, obsolete};
use flux_deployer::{Halt, Run};
use flux_ignore::{IgnoreRule, IgnoreRules, IgnoreTarget};
use serde_json::Value;

use crate::checks::expressions;
use crate::kind::Kustomize;
use crate::kinds::{await_served, defined_by};
use crate::ledger;
use crate::stop::{Problem, Stop};

/// How long the objects of one stage may take before the next stage is given up, as in stock.
const STAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// How often to look whether a newer event brings something newer.
const LOOK: Duration = Duration::from_millis(250);

/// Applies stage after stage; `entries` has what became of each object, as far as the apply got.
///
/// # Errors
/// An object was refused, or a stage did not become ready; or the run was halted.
pub(crate) async fn apply_stages(
    run: &mut Run<'_, Kustomize>,
    cluster: &Cluster,
    stages: Vec<Stage>,
    memory: &mut ApplyMemory,
    entries: &mut Vec<Entry>,
) -> Result<(), Stop> {
    let (context, settings) = (run.context, &run.context.own.settings);
    let ignored = ignored(&run.object)?;
    let ignores = ignores(&ignored);
    let applier = applier(run, cluster, &ignores);
    let options = ApplyOptions {
        force: run.object.spec.force,
        verify: verification(run, memory),
        concurrency: Concurrency(settings.concurrent_ssa),
        timeout: run.timeout(),
        silence: silence(run),
        migrate_api_version: settings.migrate_api_version,
    };
    let mut obsolete = pin!(obsolete(context, run.key.clone(), Arc::clone(&run.object)));
    let superseded = run.superseded.clone();
    let mut stages: VecDeque<Stage> = stages.into();
    while let Some(stage) = stages.pop_front() {
        let wait = stage.wait;
        let defined = defined_by(&stage.objects);
        let before = entries.len();
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &superseded,
            slot: &mut *run.slot,
        };
        let plan = applier
            .plan(stage.objects, options, memory, &mut interrupt)
            .await?;
        ledger::record_ahead(run, &cluster.mapper, &plan, &stages).await?;
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &superseded,
            slot: &mut *run.slot,
        };
        applier
            .carry_out(plan, options, memory, &mut interrupt, entries)
            .await?;
        let applied = &entries[before..];
        let changed = applied
            .iter()
            .any(|entry| matches!(entry.action, Action::Created | Action::Configured));
        if wait {
            let targets = applied
                .iter()
                .filter(|entry| entry.action != Action::Skipped)
                .map(|entry| Target {
                    id: entry.id.clone(),
                    version: Some(entry.version.clone()),
                    owned: true,
                    may_vanish: false,
                    rule: Rule::Ready,
                })
                .collect();
            let options = WaitOptions {
                timeout: STAGE_TIMEOUT,
                fail_fast: false,
                expressions: expressions(run)?,
            };
            let waiting = Box::pin(cluster.live.wait(targets, options, &cluster.rest));
            // An event that brings nothing newer can wait: what has been applied would be applied, and told, by two runs.
            let (is_newer, newer_event) = (newer(run), superseded.clone());
            let news = async {
                newer_event.wait().await;
                while !is_newer() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            let waited = async {
                tokio::select! {
                    biased;
                    end = waiting => Some(end),
                    () = obsolete.as_mut() => None,
                    () = news => None,
                }
            };
            let what = "the readiness of definitions and classes";
            let Some(end) = run.slot.on(what).park(waited).await else {
                return Err(Halt::Superseded.into());
            };
            if let Some(message) = end.message() {
                return Err(ApplyError::NotReady(message).into());
            }
            if changed {
                let served = await_served(&cluster.mapper, &defined);
                run.slot.on("new kinds to be served").park(served).await;
            }
        }
    }
    if options.verify == Verify::All {
        memory.note_verified();
    }
    Ok(())
}

/// Reads which fields of which objects are left as they are.
pub(crate) fn ignored(object: &Kustomization) -> Result<IgnoreRules, Problem> {
    let rules: Vec<_> = object
        .spec
        .ignore
        .iter()
        .map(|rule| IgnoreRule {
            paths: rule.paths.clone(),
            target: rule.target.clone().map(|target| IgnoreTarget {
                group: target.group,
                version: target.version,
                kind: target.kind,
                name: target.name,
                namespace: target.namespace,
                annotation_selector: target.annotation_selector,
                label_selector: target.label_selector,
            }),
        })
        .collect();
    Ok(IgnoreRules::new(&rules)?)
}

/// Gives the paths of what is left alone of an object.
pub(crate) fn ignores(ignored: &IgnoreRules) -> impl Fn(&Value) -> Vec<String> + Send + Sync {
    move |object: &Value| {
        let paths = ignored.paths_for(object).into_iter();
        paths.map(ToOwned::to_owned).collect()
    }
}

/// Gives what applies the objects of a run to a cluster, and leaves alone what `ignores` names.
pub(crate) fn applier<'a>(
    run: &Run<'a, Kustomize>,
    cluster: &'a Cluster,
    ignores: Ignores<'a>,
) -> Applier<'a> {
    let post_build = run.object.spec.post_build.iter();
    let mut sources = post_build.flat_map(|post_build| &post_build.substitute_from);
    Applier {
        hides_values: sources.any(|source| source.kind == "Secret"),
        rest: &cluster.rest,
        mapper: &cluster.mapper,
        live: &cluster.live,
        own_namespace: cluster.spares(&run.context.settings.own_namespace),
        ignores: (!run.object.spec.ignore.is_empty()).then_some(ignores),
    }
}

/// Gives the longest time without an answer: `spec.timeout` as it was written, although stock raises a short one to 30 s
/// for everything that goes on.
fn silence(run: &Run<'_, Kustomize>) -> Duration {
    let written = run.object.spec.timeout.as_ref();
    let written = written.and_then(|timeout| timeout.get().ok());
    written.map_or_else(|| run.timeout(), |timeout| timeout.to_std().min(run.timeout()))
}

/// Tells which objects to verify: all on request, after a start, at the interval, and whenever that has not been done
/// for longer than the interval, since runs for other reasons put the timer off.
///
/// A retry comes by timer too, but not to look for drift: what is known to be unchanged is watched, and need not be
/// verified every few seconds as long as something else is not ready. Half the interval leaves room for its jitter.
fn verification(run: &Run<'_, Kustomize>, memory: &ApplyMemory) -> Verify {
    let interval = run.object.interval().to_std();
    let asked = run.was_asked_by(Triggers::REQUESTED | Triggers::STARTUP);
    let is_due = !memory.was_verified_within(interval);
    let at_interval = run.was_asked_by(Triggers::TIMER) && !memory.was_verified_within(interval / 2);
    if asked || is_due || at_interval {
        Verify::All
    } else {
        Verify::Changed
    }
}

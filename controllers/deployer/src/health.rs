//! Waits until objects are ready.

use std::sync::Arc;
use std::time::Duration;

use controller_kit::live::{Target, WaitEnd, WaitOptions};
use controller_kit::object::Subject;
use controller_kit::{Cluster, Triggers};
use flux_api::{ConditionsExt, Deployed, DeployedStatus, GoDuration, READY, REQUESTED_AT, reason};
use flux_cel::health::HealthChecks;
use kube::Resource as _;

use crate::context::Ownership;
use crate::kind::{Kind, kind_name};
use crate::outcome::Halt;
use crate::run::Run;
use crate::wanted::is_outdated;

/// Objects that become ready within this time need no word about waiting.
const QUICK: Duration = Duration::from_millis(1500);

/// What a wait for readiness came to.
#[derive(Debug)]
pub struct Waited {
    /// How long it took.
    pub took: GoDuration,
    /// What is not ready; nothing if everything is.
    pub unready: Option<String>,
}

/// Waits outside the worker slot until everything is ready; a newer event ends the wait.
///
/// Where there are expressions for a kind, they tell what is ready.
///
/// # Errors
/// A newer event came first; or the status could not be written.
pub async fn wait<K: Kind>(
    run: &mut Run<'_, K>,
    cluster: &Cluster,
    targets: Vec<Target>,
    expressions: Option<Arc<HealthChecks>>,
) -> Result<Waited, Halt> {
    let started = tokio::time::Instant::now();
    let context = run.context;
    let options = WaitOptions {
        timeout: run.timeout(),
        fail_fast: context.settings.fail_fast,
        expressions,
    };
    let what = readiness_of(&targets);
    let mut waiting = Box::pin(cluster.live.wait(targets, options, &cluster.rest));
    // What is ready at once needs no word about waiting; a moment covers objects whose watch has just been opened.
    let quick = tokio::time::timeout(QUICK, &mut waiting);
    let quick = run.slot.on(what.clone()).park(quick).await;
    let end = if let Ok(end) = quick {
        end
    } else {
        if !is_announced(run) {
            run.write_wait().await?;
        }
        run.slot.on(what);
        match run.unless_superseded(&mut waiting).await {
            Ok(end) => end,
            Err(_) => return Err(canceled(run)),
        }
    };
    let unready = match end {
        WaitEnd::Ready => None,
        end @ (WaitEnd::NotReady { .. } | WaitEnd::NoNamespace(_)) => Some(end.message().unwrap_or_default()),
    };
    Ok(Waited {
        took: GoDuration::from(started.elapsed()),
        unready,
    })
}

/// How many objects are named of those that are waited for.
const NAMED: usize = 3;

/// What is waited for, in words for operators.
fn readiness_of(targets: &[Target]) -> String {
    let named = targets.iter().take(NAMED);
    let named: Vec<_> = named.map(|target| Subject(&target.id).to_string()).collect();
    let others = targets.len().saturating_sub(NAMED);
    let others = if others > 0 {
        format!(" and {others} more")
    } else {
        String::new()
    };
    format!("the readiness of {}{others}", named.join(", "))
}

/// A newer event has ended the wait; tells which, if the object is still ours to say so.
pub fn canceled<K: Kind>(run: &Run<'_, K>) -> Halt {
    let (context, before) = (run.context, &run.object);
    let is_ours = context.ownership(&run.key, before) == Ownership::Ours;
    let Some(now) = context.objects.get(&run.key).filter(|_| is_ours) else {
        return Halt::Superseded;
    };
    if context.shutdown.is_cancelled() {
        return Halt::Superseded;
    }
    let has_new_artifact = || is_outdated(context, before, run.artifact.as_deref());
    let home = run.key.namespace.as_str();
    let itself = || format!("{}/{}", kind_name::<K::Object>(), run.key);
    let requested = |object: &K::Object| object.meta().annotations.as_ref()?.get(REQUESTED_AT).cloned();
    let changes = now.meta().generation != before.meta().generation || requested(&now) != requested(before);
    let by = if changes {
        itself()
    } else if has_new_artifact() {
        let source = context.source_of(before).ok();
        source.map_or_else(itself, |source| {
            format!("{}/{}/{}", source.kind, source.namespace, source.name)
        })
    } else {
        // A ConfigMap or Secret that the object reads; with several it is not known which.
        match before.configs().as_slice() {
            [(kind, name)] => format!("{kind}/{home}/{name}"),
            _ => itself(),
        }
    };
    Halt::Canceled { by }
}

/// Tells whether the object says already that it is not ready, and the run is a retry that has nothing to add.
///
/// It goes on saying so then: a condition that changes twice with every retry would tell nothing, and wake everybody.
fn is_announced<K: Kind>(run: &Run<'_, K>) -> bool {
    let ready = run.status.conditions().get_condition(READY);
    let said = ready.is_some_and(|ready| {
        ready.reason == reason::HEALTH_CHECK_FAILED
            && ready.observed_generation == run.object.meta().generation
    });
    said && run.status == run.written && !run.was_asked_by(Triggers::REQUESTED)
}

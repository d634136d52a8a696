//! What the next run of an object would change: a run that writes nothing, for whoever asks.
//!
//! It is made with the code, the caches and the identity of a real run, of objects that are ours and of those that are not (yet). It takes
//! no worker: two are made at once, and each waits as long as the workers cannot keep up.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::{Mapping, ObjectKey, Slot, Superseded, Triggers};
use flux_api::{Deployed, DeployedStatus, InventoryEntry};
use flux_proof::{Answer, Config, Finding, Inputs, Name, Owned, Proof, Prover};
use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource as _, ResourceExt as _};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::context::Context;
use crate::kind::{Kind, kind_name};
use crate::log;
use crate::reconcile::{Deployer, Shadowed, look_elsewhere, missing};
use crate::run::Run;
use crate::step::Step;

/// How many are made at once.
const AT_ONCE: usize = 2;
/// How many questions wait here; whoever asks more waits outside.
const WAITING: usize = 8;
/// The longest that one may take.
const LONGEST: Duration = Duration::from_mins(10);
/// How long one waits for workers that cannot keep up, and how often it looks.
const YIELDS: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// What would the next run of an object change?
type Question = (ObjectKey, oneshot::Sender<Answer>);

/// Which objects are ours? That is answered at once, however many of the others wait.
type Asked = oneshot::Sender<Vec<Owned>>;

/// Asks a deployer what its runs would change; clones ask the same one.
#[derive(Clone, Debug)]
pub struct Shadows {
    kind: String,
    questions: mpsc::Sender<Question>,
    asked: mpsc::Sender<Asked>,
    serving: CancellationToken,
}

/// Where a deployer hears such questions.
pub struct Questions {
    receiver: mpsc::Receiver<Question>,
    asked: mpsc::Receiver<Asked>,
    serving: CancellationToken,
}

/// Makes both ends for the deployer of a kind.
pub fn shadows(kind: &str) -> (Shadows, Questions) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let (ask, asked) = mpsc::channel(WAITING);
    let serving = CancellationToken::new();
    let shadows = Shadows {
        kind: kind.to_owned(),
        questions: sender,
        asked: ask,
        serving: serving.clone(),
    };
    let questions = Questions {
        receiver,
        asked,
        serving,
    };
    (shadows, questions)
}

impl Shadows {
    /// The kind of the objects, such as `Kustomization`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Tells whether the deployer answers: it leads, and its caches are complete.
    pub fn is_serving(&self) -> bool {
        self.serving.is_cancelled()
    }

    /// Asks what the next run of an object would change; nothing if the deployer has ended.
    pub async fn shadow(&self, key: ObjectKey) -> Option<Answer> {
        let (sender, answer) = oneshot::channel();
        self.questions.send((key, sender)).await.ok()?;
        answer.await.ok()
    }

    /// Asks which objects the deployer reconciles; nothing if it has ended.
    pub async fn owned(&self) -> Option<Vec<Owned>> {
        let (sender, answer) = oneshot::channel();
        self.asked.send(sender).await.ok()?;
        answer.await.ok()
    }
}

/// Reads which versions there are of the ConfigMaps and Secrets that an object reads.
pub async fn configs<K: Kind>(run: &Run<'_, K>) -> Vec<Config> {
    let mut configs = Vec::new();
    for (kind, name) in run.object.configs() {
        let mapping = Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: true,
        };
        // That one cannot be read is told by whoever needs what is in it.
        let read = run.context.rest.get(&mapping, &run.key.namespace, name).await;
        configs.push(Config::of(kind, name, read.ok().flatten().as_ref()));
    }
    configs
}

/// Begins a proof: who makes it, when, and what it rests on.
pub fn proof<K: Kind>(
    run: &Run<'_, K>,
    artifact: &Artifact,
    spec: &Value,
    inventory: &[InventoryEntry],
    configs: &[Config],
) -> Proof {
    let digest = artifact.spec.digest.clone().unwrap_or_default();
    let inputs = Inputs {
        uid: run.object.meta().uid.as_deref().unwrap_or_default(),
        spec,
        artifact: &digest,
        inventory,
        configs,
    };
    let now = Timestamp::now();
    Proof {
        by: Prover::Controller,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: Some(Time(Timestamp::from_second(now.as_second()).unwrap_or(now))),
        revision: artifact.spec.revision.clone(),
        inputs: inputs.digest(),
        artifact: digest,
        ..Proof::default()
    }
}

/// Answers until `shutdown`, or until nobody can ask any more.
pub(crate) async fn serve<D: Deployer>(
    context: Arc<Context<D>>,
    mut questions: Questions,
    shutdown: CancellationToken,
) {
    questions.serving.cancel();
    let (places, tasks) = (Arc::new(Semaphore::new(AT_ONCE)), TaskTracker::new());
    loop {
        let next = next(&mut questions.receiver, &places);
        let ((key, mut answer), place) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(answer) = questions.asked.recv() => {
                // Whoever has asked may be gone.
                let _ = answer.send(owned(&context));
                continue;
            }
            next = next => match next {
                Some(next) => next,
                None => break,
            },
        };
        let (context, shutdown) = (Arc::clone(&context), shutdown.clone());
        tasks.spawn(async move {
            let span = log::span::<D>(&key);
            let shadow = shadow(&context, key).instrument(span);
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Nobody waits for it any more.
                () = answer.closed() => {}
                found = shadow => {
                    let _ = answer.send(found);
                }
            }
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Waits for a place, then for a question: what waits for a place stays in the channel, which holds a few alone.
///
/// Nothing is lost when it is not waited for to its end. Returns nothing once nobody can ask any more.
async fn next<Q>(
    questions: &mut mpsc::Receiver<Q>,
    places: &Arc<Semaphore>,
) -> Option<(Q, OwnedSemaphorePermit)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    Some((questions.recv().await?, place))
}

fn owned<K: Kind>(context: &Context<K>) -> Vec<Owned> {
    let mut all: Vec<_> = context
        .objects
        .all()
        .iter()
        .filter(|object| context.is_ours(object))
        .filter(|object| {
            let key = ObjectKey::of(object.as_ref());
            context.interlock.rival(&key.namespace, object.labels()).is_none()
        })
        .map(|object| {
            let status = object.status();
            Owned {
                object: name::<K>(&ObjectKey::of(object.as_ref())),
                last_handled: status.last_handled_request().to_owned(),
                observed_generation: status.observed_generation(),
            }
        })
        .collect();
    all.sort_by(|a, b| a.object.cmp(&b.object));
    all
}

fn name<K: Kind>(key: &ObjectKey) -> Name {
    Name::new(
        kind_name::<K::Object>(),
        key.namespace.as_str(),
        key.name.as_str(),
    )
}

/// Finds out what the next run of an object would change.
async fn shadow<D: Deployer>(context: &Context<D>, key: ObjectKey) -> Answer {
    give_way(context).await;
    let name = name::<D>(&key);
    let Some(object) = context.objects.get(&key) else {
        return Answer::unproven(name, Finding::new("M120", "the controller knows no such object"));
    };
    let is_ours = context.is_ours(&object);
    let (mut slot, superseded) = (Slot::outside(), Superseded::default());
    let status = object.status().clone();
    let mut run = Run {
        context,
        key: key.clone(),
        written: status.clone(),
        status,
        object,
        triggers: Triggers::TIMER,
        slot: &mut slot,
        superseded: &superseded,
        started: Instant::now(),
        cluster: None,
        artifact: None,
        about: None,
        aim: None,
        stage: String::new(),
        is_quiet: true,
    };
    let shadowed = match timeout(LONGEST, look(&mut run).boxed()).await {
        Ok(shadowed) => shadowed,
        Err(_) => Finding::new("M120", "it took longer than ten minutes").into(),
    };
    if !is_ours {
        // Nothing is kept for an object that is somebody else's.
        context.clusters.release(&key);
        context.elsewhere.forget(&key);
    }
    Answer {
        object: name,
        proof: shadowed.proof,
        findings: shadowed.findings,
        differences: shadowed.differences,
    }
}

async fn look<D: Deployer>(run: &mut Run<'_, D>) -> Shadowed {
    look_elsewhere(run).await;
    let step = D::decide(&run.context.observe(&run.object));
    let (code, why) = match step {
        Step::Deploy(artifact) => {
            run.artifact = Some(Arc::clone(&artifact));
            return D::shadow(run, &artifact).await;
        }
        Step::Finalize | Step::LetGo => ("M118", "it is being deleted".to_owned()),
        Step::Rest => ("M103", "it is suspended".to_owned()),
        Step::Refuse(refusal) | Step::RefuseDependency(refusal) => ("M102", refusal.message),
        Step::AwaitArtifact(problem) => ("M105", missing(problem)),
        Step::AwaitDependency(reason) => ("M104", reason),
    };
    Finding::new(code, why).into()
}

/// Lets the workers go first as long as they cannot keep up, but not for ever.
async fn give_way<K: Kind>(context: &Context<K>) {
    let until = Instant::now() + YIELDS;
    while context.queue.is_behind() && Instant::now() < until {
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_taken_with_a_place_and_waits_in_the_channel_without() {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let places = Arc::new(Semaphore::new(1));
        for question in [1, 2] {
            sender.send(question).await.unwrap();
        }
        let (first, place) = next(&mut receiver, &places).await.unwrap();
        assert_eq!(first, 1);
        assert!(next(&mut receiver, &places).now_or_never().is_none());
        assert_eq!(receiver.len(), 1);
        drop(place);
        let (second, place) = next(&mut receiver, &places).await.unwrap();
        assert_eq!(second, 2);
        drop((place, sender));
        assert!(next(&mut receiver, &places).await.is_none());
    }
}

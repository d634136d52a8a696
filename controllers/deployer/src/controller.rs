//! The controller: connects its watches to the queue, and serves that.

use std::sync::Arc;

use artifact_consumer::ArtifactIndex;
use artifact_crd::Artifact;
use controller_kit::apply::FieldManagers;
use controller_kit::artifact::ContentCache;
use controller_kit::events::EventRecorder;
use controller_kit::interlock::Interlock;
use controller_kit::live::LiveStore;
use controller_kit::{
    Cluster, ClusterRecipe, Clusters, ConfigKind, Mapper, Metrics, ObjectKey, Queue, Requeue, Rest, Run,
    SharedWatch, WatchCache, WatchState, Written, follow_configs,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::runtime::watcher;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::context::Context;
use crate::elsewhere::Elsewhere;
use crate::holds::Holds;
use crate::progress::Progress;
use crate::reconcile::{Deployer, reconcile};
use crate::shadow::{self, Questions};
use crate::vanished::Vanished;
use crate::watches::Watches;
use crate::workload_identity::identities;

/// What a deployer is connected to.
pub struct Connections {
    /// Client that acts as the controller.
    pub client: Client,
    /// The Artifacts of the namespaces that are watched.
    pub artifacts: SharedWatch<Artifact>,
    /// Artifacts by digest.
    pub content: Arc<ContentCache>,
    /// Takes events.
    pub recorder: EventRecorder,
    /// Counts.
    pub metrics: Metrics,
    /// Namespace to restrict watches to; all namespaces when absent.
    pub namespace: Option<String>,
    /// Managers to take over besides kubectl's (`--override-manager`).
    pub overridden_managers: Vec<String>,
    /// Fires once the Artifacts of this process are up to date with the sources. Until then, but not for long, they
    /// are not read: what was mirrored before the process began may be outdated.
    pub mirrored: CancellationToken,
    /// Where it is asked what its runs would change, if anybody may ask.
    pub questions: Option<Questions>,
}

/// Runs a deployer until `shutdown`; `synced` fires when its caches are complete.
///
/// On shutdown, runs in progress are given time to end by the caller; what they leave is picked up by the next start.
pub async fn run<D: Deployer>(
    own: D,
    connections: Connections,
    settings: Settings,
    synced: CancellationToken,
    shutdown: CancellationToken,
) {
    let Connections {
        client,
        artifacts,
        content,
        recorder,
        metrics,
        namespace,
        overridden_managers,
        mirrored,
        questions,
    } = connections;
    let managers = FieldManagers {
        own: D::NAMES.controller.to_owned(),
        overridden: overridden_managers,
    };
    let mapper = Mapper::new(client.clone());
    let concurrent = settings.concurrent;
    metrics.set_concurrency(D::NAMES.label, concurrent);
    let rest = Rest::new(client.clone());
    let live = LiveStore::new(
        client.clone(),
        mapper.clone(),
        managers.clone(),
        D::NAMES.owner_labels[0],
        namespace.clone(),
        shutdown.clone(),
    );
    let recipe = ClusterRecipe {
        managers,
        owner_label: D::NAMES.owner_labels[0].to_owned(),
        concurrent,
        most: settings.kube_config.most_clusters,
        shutdown: shutdown.clone(),
    };
    let clusters = Clusters::new(Cluster::home(rest.clone(), mapper, live), recipe);
    metrics.count_tokens(&settings.kube_config.workload.tokens);
    let context = Arc::new(Context {
        own,
        shutdown: shutdown.clone(),
        identities: identities(rest.clone(), &settings.kube_config.workload),
        rest,
        clusters,
        content,
        recorder,
        queue: Queue::new(settings.backoff, metrics.queue(D::NAMES.label)),
        metrics,
        interlock: Arc::new(Interlock::new(D::NAMES.controller)),
        arrived: Mutex::default(),
        holds: Holds::default(),
        unwritten: Mutex::default(),
        objects: WatchCache::default(),
        namespace: namespace.clone(),
        references: Mutex::default(),
        progress: Progress::default(),
        vanished: Vanished::default(),
        elsewhere: Elsewhere::default(),
        artifacts: RwLock::new(ArtifactIndex::default()),
        artifact_watch: artifacts,
        written: Written::default(),
        awaiting: Mutex::default(),
        settings,
    });
    let watches = Watches {
        context: Arc::clone(&context),
    };
    let tasks = TaskTracker::new();
    tasks.spawn(
        watches
            .clone()
            .follow_objects(client.clone(), namespace.clone(), shutdown.clone()),
    );
    let following = CancellationToken::new();
    tasks.spawn(
        watches
            .clone()
            .follow_artifacts(mirrored, following.clone(), shutdown.clone()),
    );
    if let Some(selector) = &context.settings.watch_configs {
        let config = watcher::Config::default().labels(selector);
        for kind in [ConfigKind::ConfigMap, ConfigKind::Secret] {
            let waking = watches.clone();
            tasks.spawn(follow_configs(
                kind,
                client.clone(),
                namespace.clone(),
                config.clone(),
                shutdown.clone(),
                Box::new(move |config| waking.config_changed(kind, config)),
            ));
        }
    }
    let deployments = WatchCache::<Deployment>::default();
    if context.settings.interlock {
        tasks.spawn(
            watches
                .clone()
                .follow_stock(deployments.clone(), client.clone(), shutdown.clone()),
        );
    }
    tokio::select! {
        () = shutdown.cancelled() => return,
        () = async {
            following.cancelled().await;
            tokio::join!(context.objects.settled(), context.artifact_watch.settled());
            if context.settings.interlock {
                stock_is_known(&deployments).await;
            }
        } => {}
    }
    synced.cancel();
    if let Some(questions) = questions {
        let shadows = shadow::serve(Arc::clone(&context), questions, shutdown.clone());
        tasks.spawn(shadows);
    }
    let shared = Arc::clone(&context);
    let handler = move |run| reconcile(Arc::clone(&shared), run).boxed();
    serve(&context.queue, concurrent, shutdown, Box::new(handler)).await;
    tasks.close();
    tasks.wait().await;
}

/// What is called for each run. Boxed, so that what is around a run is compiled here, and once for all deployers.
type Handler = dyn Fn(Run<ObjectKey>) -> BoxFuture<'static, Requeue> + Send + Sync;

async fn serve(
    queue: &Queue<ObjectKey>,
    concurrent: usize,
    shutdown: CancellationToken,
    handler: Box<Handler>,
) {
    queue.serve(concurrent, shutdown, handler).await;
}

/// Waits until Deployments have been listed: before that nobody knows which objects a stock controller reconciles too.
async fn stock_is_known(deployments: &WatchCache<Deployment>) {
    if let WatchState::Unavailable(reason) = deployments.settled().await {
        tracing::error!(
            error = reason,
            "nothing is reconciled before Deployments can be listed, because a stock controller may reconcile the same \
             objects: let this controller list and watch Deployments in all namespaces, or start it with --interlock=false"
        );
    }
    deployments.synced().await;
}

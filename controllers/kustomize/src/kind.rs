//! What the kustomize deployer is called, and what it keeps about its objects.

use std::collections::HashMap;

use artifact_consumer::{Access, ReferenceError, SourceKey, resolve};
use controller_kit::apply::ApplyMemory;
use controller_kit::{FairBudget, ObjectKey};
use flux_api::{HEALTHY, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, Kustomization, READY, RECONCILING, STALLED};
use flux_deployer::{Kind, Names, Observed, Step};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::Settings;
use crate::decide::{decide, refusal};

/// Field manager of applied objects, and the name under which events are reported.
pub const CONTROLLER: &str = "kustomize-controller";

/// How many builds fetch from other machines at once, of all namespaces and of one.
const REMOTE_BUILDS: (usize, usize) = (8, 4);

/// The kustomize deployer.
pub(crate) struct Kustomize {
    pub(crate) settings: Settings,
    memory: Mutex<HashMap<ObjectKey, ApplyMemory>>,
    /// Bounds the builds that run at once, because each needs memory for its whole overlay.
    pub(crate) builds: Semaphore,
    /// Bounds the builds that fetch from other machines, which take no place of the others, nor all of their own for
    /// one namespace.
    pub(crate) remote_builds: FairBudget,
    /// How many builds of an object in a row gave way to a newer artifact while they fetched from other machines.
    pub(crate) gave_way: Mutex<HashMap<ObjectKey, u32>>,
}

impl Kustomize {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            memory: Mutex::default(),
            builds: Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)),
            remote_builds: FairBudget::new(REMOTE_BUILDS.0, REMOTE_BUILDS.1),
            gave_way: Mutex::default(),
        }
    }

    /// Takes the memory of an object for a run that applies as `identity`; it is given back by
    /// [`Kustomize::keep_memory`].
    pub(crate) fn take_memory(&self, key: &ObjectKey, identity: &str) -> ApplyMemory {
        let memory = self.memory.lock().remove(key);
        memory
            .filter(|memory| memory.is_of(identity))
            .unwrap_or_else(|| ApplyMemory::of(identity))
    }

    pub(crate) fn keep_memory(&self, key: &ObjectKey, memory: ApplyMemory) {
        self.memory.lock().insert(key.clone(), memory);
    }
}

impl Kind for Kustomize {
    type Object = Kustomization;

    const NAMES: Names = Names {
        controller: CONTROLLER,
        label: "kustomization",
        status_manager: "gotk-kustomize-controller",
        cluster_operation: "fetch_kubeconfig",
        owner_labels: [KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE],
        conditions: &[READY, RECONCILING, STALLED, HEALTHY],
    };

    fn source(object: &Kustomization, access: &Access) -> Result<SourceKey, ReferenceError> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let annotations = object.metadata.annotations.as_ref();
        resolve(
            &object.spec.source_ref,
            "spec.sourceRef",
            namespace,
            annotations,
            access,
        )
    }

    fn decide(observed: &Observed<'_, Kustomization>) -> Step {
        decide(observed)
    }

    fn holds_at_rest(object: &Kustomization) -> bool {
        refusal(object).is_none()
    }

    fn forget(&self, key: &ObjectKey) {
        self.memory.lock().remove(key);
        self.gave_way.lock().remove(key);
    }
}

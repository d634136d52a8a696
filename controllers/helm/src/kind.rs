//! What the Helm deployer is called, and what it keeps about its objects.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::{Access, ReferenceError, SourceKey};
use controller_kit::ObjectKey;
use controller_kit::apply::FieldManagers;
use flux_api::{
    DRIFTED, HELM_NAME, HELM_NAMESPACE, HelmRelease, HelmReleaseStatus, READY, RECONCILING, RELEASED,
    REMEDIATED, STALLED, TEST_SUCCESS,
};
use flux_deployer::{Kind, Names, Observed, Step};
use helm::Renderer;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::Settings;
use crate::cluster::KnownDiscovery;
use crate::decide::decide;
use crate::environment::SystemEnvironment;
use crate::heads::Heads;
use crate::loaded::Loaded;
use crate::machine::action_under_way;
use crate::made::Made;
use crate::source::source;

/// Field manager of applied objects and of statuses, and the name under which events are reported.
pub const CONTROLLER: &str = "helm-controller";

/// The Helm deployer.
pub(crate) struct Helm {
    pub(crate) settings: Settings,
    pub(crate) renderer: Renderer,
    /// What clusters serve, for templates.
    pub(crate) discovery: KnownDiscovery,
    /// Charts that need not be loaded to know what they are.
    pub(crate) heads: Heads,
    /// Charts that runs have in use.
    pub(crate) loaded: Arc<Loaded>,
    /// Whose fields become ours where drift is looked for.
    pub(crate) managers: FieldManagers,
    /// The HelmCharts that were made, by HelmRelease.
    charts: Mutex<HashMap<ObjectKey, Made>>,
}

impl Helm {
    pub(crate) fn new(settings: Settings, overridden: Vec<String>) -> Self {
        let environment = SystemEnvironment {
            resolves: settings.resolves_hosts,
        };
        Self {
            renderer: Renderer::new(Arc::new(environment)),
            discovery: KnownDiscovery::default(),
            heads: Heads::default(),
            loaded: Arc::default(),
            managers: FieldManagers {
                own: CONTROLLER.to_owned(),
                overridden,
            },
            charts: Mutex::default(),
            settings,
        }
    }

    /// Gives the HelmChart that was made for an object, if this process has made it.
    pub(crate) fn made(&self, key: &ObjectKey) -> Option<Made> {
        self.charts.lock().get(key).cloned()
    }

    pub(crate) fn has_made(&self, key: &ObjectKey, made: Made) {
        self.charts.lock().insert(key.clone(), made);
    }

    pub(crate) fn forget_chart(&self, key: &ObjectKey) {
        self.charts.lock().remove(key);
    }
}

impl Kind for Helm {
    type Object = HelmRelease;

    const NAMES: Names = Names {
        controller: CONTROLLER,
        label: "helmrelease",
        status_manager: CONTROLLER,
        cluster_operation: "reconcile",
        owner_labels: [HELM_NAME, HELM_NAMESPACE],
        conditions: &[
            READY,
            RECONCILING,
            STALLED,
            RELEASED,
            REMEDIATED,
            TEST_SUCCESS,
            DRIFTED,
        ],
    };

    const FOLLOWS_SOURCES: bool = true;

    fn source(object: &HelmRelease, access: &Access) -> Result<SourceKey, ReferenceError> {
        source(object, access)
    }

    fn decide(observed: &Observed<'_, HelmRelease>) -> Step {
        decide(observed)
    }

    fn is_busy(now: &HelmReleaseStatus, before: &HelmReleaseStatus, time: Timestamp) -> Option<Duration> {
        action_under_way(now, before, time)
    }

    fn forget(&self, key: &ObjectKey) {
        self.forget_chart(key);
    }
}

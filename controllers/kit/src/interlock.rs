//! Which objects a live stock controller reconciles too, read from the arguments of its Deployments.
//!
//! Two controllers that apply the same object undo each other's work, so whoever finds its object here leaves it
//! alone. What counts is what a Deployment asks for, not how well it works: one whose image cannot be pulled is about
//! to work at any moment.
//!
//! Stock controllers that run elsewhere, or in Deployments without the label `app.kubernetes.io/part-of=flux`, are not
//! seen.

use std::collections::BTreeMap;

use flux_api::FLUX_DEPLOYMENTS;
use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::watcher;
use kube::{Api, Client};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::watch::{Change, ObjectKey, WatchCache};

pub use flux_api::{Claims, Rival};

/// Condition of an object that a stock controller reconciles too: nothing was done about it here.
///
/// `Ready` stays what the stock controller says, because others wait for it.
pub const OWNERSHIP_CONFLICT: &str = "OwnershipConflict";
/// Reason of [`OWNERSHIP_CONFLICT`].
pub const STOCK_CONTROLLER_SELECTS: &str = "StockControllerSelects";

/// What the live stock controllers of one name reconcile.
#[derive(Debug)]
pub struct Interlock {
    controller: &'static str,
    claims: RwLock<Claims>,
}

impl Interlock {
    /// Starts with no claims, for stock's `controller`, such as `kustomize-controller`.
    pub fn new(controller: &'static str) -> Self {
        Self {
            controller,
            claims: RwLock::default(),
        }
    }

    /// Gives the stock Deployment that reconciles an object with these labels too.
    pub fn rival(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<Rival> {
        self.claims.read().rival(namespace, labels)
    }

    /// Follows the Deployments of all namespaces until `shutdown`, filling `cache`.
    ///
    /// `on_change` gets the claims before and after each change. Before Deployments have been listed, `cache` is not
    /// synced, and that there are no claims means nothing.
    pub async fn follow(
        &self,
        cache: &WatchCache<Deployment>,
        client: Client,
        shutdown: CancellationToken,
        on_change: &mut (dyn FnMut(&Claims, &Claims) + Send),
    ) {
        let update = |change: Change<'_, Deployment>| {
            let before = self.claims.read().clone();
            let mut after = before.clone();
            match change {
                Change::Applied { new, .. } => after.observe(self.controller, new),
                Change::Deleted { old } => after.forget(&ObjectKey::of(old.as_ref())),
                // What was known before still stands.
                Change::Undecodable { .. } => return,
            }
            if before != after {
                self.claims.write().clone_from(&after);
                on_change(&before, &after);
            }
        };
        let config = watcher::Config::default().labels(FLUX_DEPLOYMENTS);
        cache.run(Api::all(client), config, shutdown, update).await;
    }
}

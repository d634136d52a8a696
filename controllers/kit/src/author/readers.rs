//! Who reads which Secret, so that a change of it brings a look.

use kube::Client;
use kube::runtime::watcher;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Secrets;
use crate::configs::{ConfigKind, follow_configs};
use crate::refs::RefIndex;
use crate::watch::ObjectKey;

/// Secrets that nobody reads here, and of which there are the most.
const NO_RELEASES: &str = "type!=helm.sh/release.v1";

/// Which Secrets each object read at its last look.
#[derive(Default)]
pub struct Readers(Mutex<RefIndex<ObjectKey, ObjectKey>>);

impl Readers {
    /// Takes note of what an object read, which are Secrets of its own namespace.
    pub fn note(&self, object: &ObjectKey, secrets: &Secrets) {
        let names = secrets.names();
        let read = names.map(|name| ObjectKey::new(object.namespace.as_str(), name));
        self.0.lock().set(object, read.collect());
    }

    /// Forgets an object.
    pub fn forget(&self, object: &ObjectKey) {
        self.0.lock().set(object, Vec::new());
    }

    /// Gives those who read a Secret.
    pub fn of(&self, secret: &ObjectKey) -> Vec<ObjectKey> {
        self.0.lock().referrers(secret).cloned().collect()
    }
}

/// Hears of changed Secrets until `shutdown`; their metadata is watched, and not what is in them.
pub async fn follow_secrets(
    client: Client,
    namespace: Option<String>,
    shutdown: CancellationToken,
    on_change: impl FnMut(ObjectKey) + Send + 'static,
) {
    let config = watcher::Config::default().fields(NO_RELEASES);
    let on_change = Box::new(on_change);
    follow_configs(ConfigKind::Secret, client, namespace, config, shutdown, on_change).await;
}

//! Dependencies in namespaces that are not watched: read whenever a run begins, as stock reads all dependencies.
//!
//! Nobody hears of their changes. Whoever waits for one looks again after `--requeue-dependency`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use controller_kit::{ObjectKey, Rest};
use flux_api::Deployed;
use futures::StreamExt;
use futures::stream;
use parking_lot::Mutex;

use crate::kind::mapping;

/// How long reading one object may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How many of them are read at once for one run.
const READS: usize = 4;

/// An object as it was read last, unless it did not exist; or why it could not be read.
type Read<O> = Result<Option<Arc<O>>, String>;

/// What those who depend on such objects have read of them.
pub(crate) struct Elsewhere<O>(Mutex<HashMap<ObjectKey, HashMap<ObjectKey, Read<O>>>>);

impl<O> Default for Elsewhere<O> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O: Deployed> Elsewhere<O> {
    /// Reads the objects that `dependent` depends on, and forgets what it has read before.
    pub(crate) async fn look(&self, rest: &Rest, dependent: &ObjectKey, objects: Vec<ObjectKey>) {
        let read = stream::iter(objects)
            .map(|key| async move { (key.clone(), read(rest, &key).await) })
            .buffer_unordered(READS);
        let read = read.collect().await;
        self.0.lock().insert(dependent.clone(), read);
    }

    /// Gives what `dependent` has read of an object; nothing is known of what it has not read.
    pub(crate) fn get(&self, dependent: &ObjectKey, key: &ObjectKey) -> Read<O> {
        let all = self.0.lock();
        all.get(dependent)
            .and_then(|read| read.get(key).cloned())
            .unwrap_or(Ok(None))
    }

    /// Forgets what a dependent has read.
    pub(crate) fn forget(&self, dependent: &ObjectKey) {
        self.0.lock().remove(dependent);
    }
}

async fn read<O: Deployed>(rest: &Rest, key: &ObjectKey) -> Read<O> {
    let mapping = mapping::<O>();
    let reading = rest.get(&mapping, &key.namespace, &key.name);
    let found = tokio::time::timeout(READ_TIMEOUT, reading).await;
    let found = found.map_err(|_| "the API server does not answer".to_owned())?;
    let Some(found) = found.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    serde_json::from_value(found)
        .map(|object| Some(Arc::new(object)))
        .map_err(|error| error.to_string())
}

//! The queue of a controller, from when its caches are complete.

use tokio_util::sync::CancellationToken;

use crate::queue::{Queue, Requeue, Run};
use crate::watch::ObjectKey;

/// Hands the objects of a queue to `handler`, `concurrent` at once, until `shutdown`, and not before `listed` is over: who does not
/// know what there is decides wrongly. `synced` fires then.
pub async fn serve<H, F>(
    queue: &Queue<ObjectKey>,
    concurrent: usize,
    listed: impl Future<Output = ()>,
    synced: &CancellationToken,
    shutdown: &CancellationToken,
    handler: H,
) where
    H: Fn(Run<ObjectKey>) -> F + Send + Sync + 'static,
    F: Future<Output = Requeue> + Send + 'static,
{
    if shutdown.run_until_cancelled(listed).await.is_none() {
        return;
    }
    synced.cancel();
    queue.serve(concurrent, shutdown.clone(), handler).await;
}

//! The runtime that everything runs on.

use std::time::Duration;

/// More threads would only take memory: controllers wait for the API server most of the time.
const MAX_WORKER_THREADS: usize = 4;

/// Runs a program to its end on a runtime of its own.
///
/// # Errors
/// The runtime cannot be started.
pub fn block_on<T>(main: impl Future<Output = T>) -> std::io::Result<T> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(MAX_WORKER_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let result = runtime.block_on(main);
    // What is still running has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(result)
}

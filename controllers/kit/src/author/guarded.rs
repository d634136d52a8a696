//! What an author wrote, called so that it can do no harm.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;

use super::{Failure, Fate};
use crate::watch::ObjectKey;

/// Awaits what an author wrote for the object `key`, whatever it does; `who` is what the author calls it. Nothing if it takes longer
/// than `deadline`.
pub async fn guarded<T>(
    who: &str,
    key: &ObjectKey,
    deadline: Duration,
    call: impl Future<Output = Result<T, Failure>>,
) -> Option<Result<T, Failure>> {
    let calling = AssertUnwindSafe(call).catch_unwind();
    let called = tokio::time::timeout(deadline, calling).await.ok()?;
    Some(called.unwrap_or_else(|_| {
        let id = format!("{:08x}", fastrand::u32(..));
        tracing::error!(
            object = %key,
            incident = id,
            "the {who} panicked; this is a bug, please report it"
        );
        let message = format!("the {who} panicked, see incident {id} in the log");
        Err(Failure::new(Fate::Bug, "InternalError", message))
    }))
}

/// The failure of what took longer than it may; `step` is what was done then.
pub fn timed_out(deadline: Duration, step: &str) -> Failure {
    let message = format!("not done within {deadline:?} (spec.timeout), while {step}");
    Failure::retry("Timeout", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn authors_may_panic_and_sleep() {
        let (minute, key) = (Duration::from_mins(1), ObjectKey::new("apps", "web"));
        let fine = guarded("test", &key, minute, async { Ok(1) });
        assert_eq!(fine.await, Some(Ok(1)));
        let panicking = guarded("test", &key, minute, async {
            assert!(std::hint::black_box(false), "a bug");
            Ok(1)
        });
        let failure = panicking.await.and_then(Result::err).expect("a failure");
        assert_eq!((failure.fate(), failure.reason()), (Fate::Bug, "InternalError"));
        assert!(failure.message().starts_with("the test panicked, see incident "));
        let sleeping = guarded::<()>("test", &key, minute, std::future::pending());
        assert_eq!(sleeping.await, None);
    }
}

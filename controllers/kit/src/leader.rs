//! Leader election on a Lease, compatible with client-go's: whoever holds it, Go or Rust, keeps the other out.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::mapping::Mapping;
use crate::object::resource_version;
use crate::rest::{ObjectPath, Rest, RestError};

/// Which Lease to hold, and how long.
#[derive(Clone, Debug)]
pub struct LeaderOptions {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease, such as `kustomize-controller-leader-election`.
    pub name: String,
    /// Who we are; unique per process.
    pub identity: String,
    /// How long a holder that stopped renewing is respected; 35 s by default.
    pub lease_duration: Duration,
    /// How long renewing may fail before leadership is given up; 30 s by default.
    pub renew_deadline: Duration,
    /// Pause between attempts; 5 s by default.
    pub retry_period: Duration,
    /// Whether to hand the Lease over at shutdown instead of letting it expire.
    pub release_on_cancel: bool,
}

/// Gives the name of a controller's Lease; a label selector makes it a Lease of its own, as in fluxcd/pkg/runtime.
pub fn lease_name(controller: &str, selector: &str) -> String {
    let base = format!("{controller}-leader-election");
    if selector.is_empty() {
        return base;
    }
    let digest = crate::artifact::Digest::sha256(selector.as_bytes()).to_string();
    let hex = digest.trim_start_matches("sha256:");
    format!("{base}-{}", &hex[..8])
}

/// A held Lease, which is renewed until it is released; leadership ends when `lost` fires.
pub struct Leadership {
    /// Fires when the Lease could not be renewed within the renew deadline, or somebody else has it.
    pub lost: CancellationToken,
    release: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Leadership {
    /// Gives the Lease back: whoever leads next begins at once, so that nothing may be written from here on.
    pub async fn release(self) {
        self.release.cancel();
        if let Err(error) = self.task.await {
            tracing::warn!(%error, "leader election ended abnormally");
        }
    }
}

/// Waits until we hold the Lease, then keeps renewing it in the background; `None` when `shutdown` comes first.
///
/// It is held beyond `shutdown`, for what was begun is still being written then: see [`Leadership::release`].
pub async fn lead(rest: Rest, options: LeaderOptions, shutdown: CancellationToken) -> Option<Leadership> {
    let mut elector = Elector {
        rest,
        options,
        observed: None,
    };
    tracing::info!(lease = %elector.options.name, "attempting to acquire leader lease");
    loop {
        let deadline = elector.options.renew_deadline;
        match last_moment(elector.attempt(deadline), &shutdown).await? {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, lease = %elector.options.name, "cannot acquire the leader lease");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(elector.options.retry_period) => {}
        }
    }
    tracing::info!(lease = %elector.options.name, "successfully acquired lease");
    let (lost, release) = (CancellationToken::new(), CancellationToken::new());
    let task = tokio::spawn(elector.keep(lost.clone(), release.clone()));
    Some(Leadership { lost, release, task })
}

/// How long an attempt that has been begun may go on once the process is to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Waits for `attempt`, but not long once `shutdown` has come; `None` when it has no answer then.
///
/// An attempt that is given up at once could take the Lease all the same, and nobody would give it back.
async fn last_moment<T>(attempt: impl Future<Output = T>, shutdown: &CancellationToken) -> Option<T> {
    let mut attempt = std::pin::pin!(attempt);
    tokio::select! {
        biased;
        result = &mut attempt => Some(result),
        () = shutdown.cancelled() => tokio::time::timeout(LAST_MOMENT, attempt).await.ok(),
    }
}

/// Why one attempt to hold the Lease came to nothing.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Request(#[from] RestError),
    /// Somebody wrote the Lease at the same moment; the next attempt finds out who has it.
    #[error("the Lease was changed meanwhile")]
    Conflict,
    #[error("the API server does not answer")]
    NoAnswer,
}

struct Elector {
    rest: Rest,
    options: LeaderOptions,
    /// The foreign record last seen and when: a holder is dead when its record has not changed for its duration.
    observed: Option<(String, Instant)>,
}

impl Elector {
    async fn keep(mut self, lost: CancellationToken, release: CancellationToken) {
        let deadline = self.options.renew_deadline;
        let mut renewed = Instant::now();
        loop {
            let left = deadline.saturating_sub(renewed.elapsed());
            tokio::select! {
                () = release.cancelled() => break,
                () = tokio::time::sleep(self.options.retry_period.min(left)) => {}
            }
            // The record that is written now counts from now, however long the answer takes.
            let begun = Instant::now();
            match self.attempt(deadline.saturating_sub(renewed.elapsed())).await {
                Ok(true) => renewed = begun,
                Ok(false) => {
                    tracing::error!(lease = %self.options.name, "the leader lease was taken by another process");
                    return lost.cancel();
                }
                Err(error) => tracing::warn!(%error, "cannot renew the leader lease"),
            }
            if renewed.elapsed() >= deadline {
                tracing::error!(lease = %self.options.name, "leader lease lost");
                return lost.cancel();
            }
        }
        if self.options.release_on_cancel
            && let Err(error) = self.release().await
        {
            tracing::warn!(%error, "cannot release the leader lease, it will expire");
        }
    }

    /// Takes or renews the Lease within `time`: a server that never answers must not make us believe that we lead.
    async fn attempt(&mut self, time: Duration) -> Result<bool, AttemptError> {
        tokio::time::timeout(time, self.try_acquire())
            .await
            .unwrap_or(Err(AttemptError::NoAnswer))
    }

    /// Takes or renews the Lease; `false` while somebody else holds it.
    async fn try_acquire(&mut self) -> Result<bool, AttemptError> {
        let mapping = lease_mapping();
        let LeaderOptions {
            namespace,
            name,
            identity,
            ..
        } = self.options.clone();
        let Some(mut lease) = self.rest.get(&mapping, &namespace, &name).await? else {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": namespace}, "spec": self.record(Timestamp::now(), 0),
            });
            return match self.rest.create(&mapping, &namespace, &lease).await {
                Ok(_) => Ok(true),
                Err(error) if error.code() == Some(409) => Err(AttemptError::Conflict),
                Err(error) => Err(error.into()),
            };
        };
        let spec = lease.get("spec").cloned().unwrap_or_default();
        let holder = spec
            .get("holderIdentity")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if holder != identity && !holder.is_empty() && !self.has_expired(&lease, &spec) {
            return Ok(false);
        }
        let transitions = spec.get("leaseTransitions").and_then(Value::as_i64).unwrap_or(0);
        let acquired = spec
            .get("acquireTime")
            .and_then(Value::as_str)
            .and_then(|at| at.parse().ok());
        lease["spec"] = if holder == identity {
            self.record(acquired.unwrap_or_else(Timestamp::now), transitions)
        } else {
            self.record(Timestamp::now(), transitions + 1)
        };
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &namespace,
            name: &name,
        };
        match self.rest.replace(&at, &lease).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(409) => Err(AttemptError::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    fn has_expired(&mut self, lease: &Value, spec: &Value) -> bool {
        let version = resource_version(lease);
        let seconds = spec
            .get("leaseDurationSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        match &self.observed {
            Some((seen, since)) if seen == version => since.elapsed() > Duration::from_secs(seconds),
            _ => {
                self.observed = Some((version.to_owned(), Instant::now()));
                false
            }
        }
    }

    fn record(&self, acquired: Timestamp, transitions: i64) -> Value {
        let micros = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        json!({
            "holderIdentity": self.options.identity,
            "leaseDurationSeconds": self.options.lease_duration.as_secs(),
            "acquireTime": micros(acquired),
            "renewTime": micros(Timestamp::now()),
            "leaseTransitions": transitions,
        })
    }

    async fn release(&self) -> Result<(), RestError> {
        let mapping = lease_mapping();
        let LeaderOptions {
            namespace,
            name,
            identity,
            ..
        } = &self.options;
        let Some(mut lease) = self.rest.get(&mapping, namespace, name).await? else {
            return Ok(());
        };
        if lease.pointer("/spec/holderIdentity").and_then(Value::as_str) != Some(identity) {
            return Ok(());
        }
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        let at = ObjectPath {
            mapping: &mapping,
            namespace,
            name,
        };
        self.rest.replace(&at, &lease).await.map(|_| ())
    }
}

fn lease_mapping() -> Mapping {
    Mapping {
        group: "coordination.k8s.io".to_owned(),
        version: "v1".to_owned(),
        kind: "Lease".to_owned(),
        plural: "leases".to_owned(),
        namespaced: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_gives_the_lease_a_name_of_its_own() {
        assert_eq!(
            lease_name("kustomize-controller", ""),
            "kustomize-controller-leader-election"
        );
        // The first eight hex digits of the selector's sha256.
        let name = lease_name("kustomize-controller", "sharding.fluxcd.io/key=openflux");
        assert_eq!(name.len(), "kustomize-controller-leader-election-".len() + 8);
    }
}

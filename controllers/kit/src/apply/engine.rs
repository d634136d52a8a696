//! The apply engine: who applies, and what a run asks of it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::ignore::{Ignored, Ignores};
use super::plan::Planned;
use super::{ApplyError, Normalized};
use crate::live::{Live, LiveStore};
use crate::mapper::Mapper;
use crate::object::Subject;
use crate::rest::{Rest, RestError};

/// Applies objects as one identity.
pub struct Applier<'a> {
    /// Client of the identity that applies.
    pub rest: &'a Rest,
    /// Endpoints of the target cluster.
    pub mapper: &'a Mapper,
    /// Live state of the target cluster.
    pub live: &'a LiveStore,
    /// Whether values of all objects may be secret, and not only those of Secrets; errors do not repeat them then.
    pub hides_values: bool,
    /// The namespace that the controller runs in, which is never recreated: that takes the controller along.
    pub own_namespace: &'a str,
    /// Which fields of live objects are left as they are.
    pub ignores: Option<Ignores<'a>>,
}

/// How many objects of one stage are planned at once.
#[derive(Clone, Copy, Debug)]
pub struct Concurrency(pub usize);

/// Whether objects that are known to be unchanged are verified all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Trust the memory: only what changed costs requests.
    Changed,
    /// Verify every object by dry-run, as stock does on each reconciliation.
    All,
}

/// What a run asks of the engine.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Recreate objects that cannot be changed in place (`spec.force`).
    pub force: bool,
    /// Which objects to verify.
    pub verify: Verify,
    /// How many objects are planned at once (`--concurrent-ssa`).
    pub concurrency: Concurrency,
    /// Longest time that planning a stage may take, as may an apply that is its own dry-run, and longest wait for an
    /// object that is recreated to disappear.
    pub timeout: Duration,
    /// Longest time without any answer while a stage is planned; at least 5 s.
    pub silence: Duration,
    /// Whether the entries of `managedFields` are moved to the applied API version first (gate `MigrateAPIVersion`).
    pub migrate_api_version: bool,
}

/// An answer is waited for at least this long, however short a timeout is.
const MIN_SILENCE: Duration = Duration::from_secs(5);

/// How long the API server is asked what would become of the objects of a stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    end: Instant,
    whole: Duration,
    silence: Duration,
}

impl Patience {
    pub(super) fn begin(options: ApplyOptions) -> Self {
        Self {
            end: Instant::now() + options.timeout,
            whole: options.timeout,
            silence: options.silence.max(MIN_SILENCE),
        }
    }

    /// Gives the moment up to which the next answer is waited for.
    pub(super) fn deadline(&self) -> Instant {
        self.end.min(Instant::now() + self.silence)
    }

    /// The error of having waited for that long, when `verified` of `all` objects had an answer.
    pub(super) fn is_over(&self, verified: usize, all: usize) -> ApplyError {
        let waited = if Instant::now() < self.end {
            format!("{}s without an answer", self.silence.as_secs())
        } else {
            format!("{}s", self.whole.as_secs())
        };
        ApplyError::TimedOut {
            waited,
            verified,
            all,
        }
    }
}

impl Applier<'_> {
    pub(super) fn manager(&self) -> &str {
        &self.live.managers().own
    }

    /// What is left alone of an object.
    pub(super) fn ignored(&self, object: &Value) -> Ignored {
        Ignored::new(self.ignores.map(|ignores| ignores(object)).unwrap_or_default())
    }

    pub(super) fn live_state(&self, item: &Planned) -> Option<Live> {
        self.live.get(&item.mapping, &item.id.namespace, &item.id.name)
    }

    pub(super) async fn read(&self, item: &Planned) -> Result<Option<Value>, ApplyError> {
        let found = self
            .rest
            .get(&item.mapping, &item.id.namespace, &item.id.name)
            .await;
        found.map_err(|source| ApplyError::dry_run(item.id.clone(), source))
    }

    /// Applies an object, and says which fields of it were left out.
    pub(super) async fn send(&self, item: &Planned, mode: Mode<'_>) -> Result<Value, RestError> {
        if let Normalized::Typed { unknown } = &item.normalized
            && mode == Mode::DryRun
            && !unknown.is_empty()
        {
            let fields = unknown.join(", ");
            tracing::info!(object = %Subject(&item.id), fields, "fields that the kind does not have are left out");
        }
        let answer = self.send_once(item, mode).await;
        answer.map_err(|error| self.discreet(item, error))
    }

    /// Leaves what may be secret out of an error about an object.
    pub(super) fn discreet(&self, item: &Planned, error: RestError) -> RestError {
        let is_secret = item.id.group.is_empty() && item.id.kind == "Secret";
        if is_secret || self.hides_values {
            error.without_values()
        } else {
            error
        }
    }

    async fn send_once(&self, item: &Planned, mode: Mode<'_>) -> Result<Value, RestError> {
        let dry_run = mode == Mode::DryRun;
        let object = item.payload.as_ref().filter(|_| !dry_run).unwrap_or(&item.object);
        let Mode::If { version } = mode else {
            return self
                .rest
                .apply(&item.path(), self.manager(), dry_run, object)
                .await;
        };
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = version.into();
        self.rest
            .apply(&item.path(), self.manager(), dry_run, &object)
            .await
    }
}

/// How an object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode<'a> {
    /// To learn what would become of it.
    DryRun,
    /// In earnest.
    Always,
    /// In earnest, if the live object still is what the plan was made from.
    If {
        /// Its resource version then.
        version: &'a str,
    },
}

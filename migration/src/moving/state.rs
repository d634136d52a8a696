//! What a move knows while it goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flux_fleet::Handle;
use flux_fleet::moving::journal::Facts;
use flux_fleet::moving::report::Told;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::flux::Flux;
use super::look::Looker;
use super::prove::{Prover, Seen};
use super::store::Store;
use crate::cluster::CommandError;

/// How the label comes to an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Via {
    /// It is set in the cluster.
    #[default]
    Cluster,
    /// Somebody has committed it, and it arrives with the run of the parent.
    Git,
}

/// What a run was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) via: Via,
    pub(crate) soak: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) timeout: Duration,
    /// How long a label may take to come from Git.
    pub(crate) arrival: Duration,
    pub(crate) tolerate_foreign: bool,
    pub(crate) include_suspended: bool,
    pub(crate) keep_failed: bool,
    /// Whether an object whose label is in Git returns all the same, since its parent is suspended.
    pub(crate) strip: bool,
}

/// What is told while an object moves.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) object: Handle,
    pub(crate) doing: &'static str,
}

/// Moves objects.
pub(crate) struct Mover {
    pub(crate) flux: Flux,
    pub(crate) looker: Looker,
    pub(crate) store: Option<Store>,
    pub(crate) prover: Box<dyn Prover>,
    pub(crate) options: Options,
    pub(crate) by: String,
    pub(crate) salt: String,
    pub(crate) news: mpsc::UnboundedSender<News>,
}

/// A move that goes on.
pub(crate) struct Move<'a> {
    pub(super) mover: &'a Mover,
    pub(super) handle: &'a Handle,
    pub(super) facts: Facts,
    pub(super) told: Told,
    /// What was seen when the object was idle.
    pub(super) seen: Option<Seen>,
    /// The generation that the last run was of.
    pub(super) generation: Option<i64>,
    /// Whether a run is to be asked for before it is waited for.
    pub(super) asks: bool,
    /// At which version it got the label, if ours lets it be since.
    pub(super) held: Option<String>,
    /// The Deployment that had it when it was looked at first, and who led its controllers.
    pub(super) leaders: Option<(String, BTreeSet<String>)>,
    /// Whether it carries the label and nothing is known of what was before.
    pub(super) is_unknown: bool,
}

impl Move<'_> {
    /// Takes note of why it goes as it goes.
    pub(super) fn note(&mut self, why: &str) {
        if !self.facts.why.is_empty() {
            self.facts.why.push_str("; ");
        }
        self.facts.why.push_str(why);
        self.told.why.clone_from(&self.facts.why);
    }
}

pub(super) fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A request that no other is equal to.
pub(crate) fn token() -> Result<String, CommandError> {
    Ok(format!("{}-{}", Timestamp::now(), random()?))
}

/// Eight random letters of hexadecimal digits.
pub(crate) fn random() -> Result<String, CommandError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes)
        .map_err(|error| CommandError::Usage(format!("no random numbers: {error}")))?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

//! In which wave each object moves.
//!
//! What a surprise would hurt least comes first, and the very first wave is one small object: a canary. Nothing is needed of
//! the order for moving itself, because state is read across controllers.

use std::collections::{BTreeMap, BTreeSet};

use crate::scan::Wave;
use crate::{Handle, Subject};

/// How objects of the same risk are put into waves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WaveBy {
    /// One first, then a quarter, then the rest; the small before the large.
    #[default]
    Size,
    /// Those of one namespace together.
    Namespace,
    /// Those with one value of this label together; those without it come last.
    Label(String),
}

/// An object that moves.
pub(super) struct Candidate<'a> {
    pub(super) subject: &'a Subject,
    pub(super) risk: Wave,
    pub(super) size: usize,
}

/// Gives the objects in the order in which they move, each with the number of its wave.
pub(super) fn waves(mut candidates: Vec<Candidate<'_>>, by: &WaveBy) -> Vec<(Handle, u32)> {
    let heights = heights(&candidates);
    candidates.sort_by_cached_key(|candidate| {
        let handle = &candidate.subject.handle;
        let height = heights.get(handle).copied().unwrap_or_default();
        (
            candidate.risk,
            group(candidate, by),
            height,
            candidate.size,
            handle.clone(),
        )
    });
    let mut placed = Vec::with_capacity(candidates.len());
    let mut number = 0;
    let mut is_first = true;
    for same in candidates.chunk_by(|a, b| a.risk == b.risk && group(a, by) == group(b, by)) {
        let shares = match by {
            WaveBy::Size if is_first => shares(same.len()),
            WaveBy::Size | WaveBy::Namespace | WaveBy::Label(_) => vec![same.len()],
        };
        is_first = false;
        let mut rest = same;
        for share in shares {
            let (now, later) = rest.split_at(share);
            number += 1;
            placed.extend(
                now.iter()
                    .map(|candidate| (candidate.subject.handle.clone(), number)),
            );
            rest = later;
        }
    }
    placed
}

/// One, a quarter, the rest.
fn shares(all: usize) -> Vec<usize> {
    let canary = all.min(1);
    let quarter = (all / 4).min(all - canary);
    let mut shares = vec![canary, quarter, all - canary - quarter];
    shares.retain(|share| *share > 0);
    shares
}

/// What puts an object together with others; those without a group come last.
fn group(candidate: &Candidate<'_>, by: &WaveBy) -> (bool, String) {
    match by {
        WaveBy::Size => (false, String::new()),
        WaveBy::Namespace => (false, candidate.subject.handle.key.namespace.clone()),
        WaveBy::Label(key) => match candidate.subject.labels.get(key) {
            Some(value) => (false, value.clone()),
            None => (true, String::new()),
        },
    }
}

/// How many objects are to move before each, at least: those that wait for it, and those that it applies.
fn heights(candidates: &[Candidate<'_>]) -> BTreeMap<Handle, usize> {
    let known: BTreeSet<&Handle> = candidates
        .iter()
        .map(|candidate| &candidate.subject.handle)
        .collect();
    let mut before: BTreeMap<&Handle, Vec<&Handle>> = BTreeMap::new();
    for candidate in candidates {
        let subject = candidate.subject;
        for later in subject.depends_on.iter().chain(&subject.parent) {
            if let Some(later) = known.get(later)
                && **later != subject.handle
            {
                before.entry(*later).or_default().push(&subject.handle);
            }
        }
    }
    let mut heights: BTreeMap<Handle, usize> = BTreeMap::new();
    // Longest ways by repetition; a cycle, which dependsOn may have, ends when every object had its turn.
    for _ in 0..candidates.len() {
        let mut is_settled = true;
        for (later, earlier) in &before {
            let height = earlier
                .iter()
                .map(|handle| heights.get(*handle).copied().unwrap_or_default() + 1)
                .max()
                .unwrap_or_default()
                .min(candidates.len());
            if heights.get(*later).copied().unwrap_or_default() < height {
                heights.insert((*later).clone(), height);
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    heights
}

//! Tokens that are used again, as Flux keeps them: for four fifths of their life, and not too many.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::aws::Credentials;
use crate::error::AuthError;
use crate::gcp;
use crate::token::{AccessToken, Way};
use crate::usage::{End, Involved, TokenCounts, TokenEvents};

/// No token is kept for longer, whatever its life.
const LONGEST: Duration = Duration::from_hours(1);

/// As what a token is kept: a hash of all that it depends on.
pub(crate) type Key = [u8; 32];

/// Hashes what a token depends on: all parts, each as `name=value`, in their order, so that no part can pass for two.
pub(crate) fn key(parts: &[String]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A token of a provider, or what was made of one.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Bearer(AccessToken),
    Aws(Credentials),
    Way(Way),
}

impl Kept {
    /// When it ends; what does not say so is not kept.
    fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Bearer(token) | Self::Way(Way { token, .. }) => token.expires,
            Self::Aws(credentials) => credentials.expires,
        }
    }

    /// The token that is shown as it is.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn bearer(self) -> Result<AccessToken, AuthError> {
        match self {
            Self::Bearer(token) => Ok(token),
            Self::Aws(_) | Self::Way(_) => Err(AuthError::configuration("it is no bearer token")),
        }
    }

    /// The credentials of AWS.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn aws(self) -> Result<Credentials, AuthError> {
        match self {
            Self::Aws(credentials) => Ok(credentials),
            Self::Bearer(_) | Self::Way(_) => Err(AuthError::configuration("credentials are nil")),
        }
    }
}

/// Tokens that all objects share, each for the identity that it was made for: whoever is somebody else never sees it.
#[derive(Debug)]
pub struct Tokens {
    entries: Mutex<Entries>,
    most: usize,
    longest: Duration,
    /// The cluster of Google around the process, once it was found out.
    google: Mutex<Option<gcp::Cluster>>,
}

#[derive(Default)]
struct Entries {
    all: HashMap<Key, Entry>,
    uses: u64,
    counts: TokenCounts,
    events: BTreeMap<Involved, TokenEvents>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.counts)
    }
}

struct Entry {
    token: Kept,
    /// By both clocks: one goes on while the machine sleeps, the other cannot be set back.
    until: Moment,
    used: u64,
}

/// A point in time by the clock of the process and by that on the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) process: Instant,
    pub(crate) wall: Timestamp,
}

impl Moment {
    /// Takes a time on the wall for now.
    pub(crate) fn now(wall: Timestamp) -> Self {
        Self {
            process: Instant::now(),
            wall,
        }
    }

    fn is_past(self, now: Self) -> bool {
        self.process <= now.process || self.wall <= now.wall
    }

    fn after(self, time: Duration) -> Self {
        let wall = SignedDuration::try_from(time)
            .ok()
            .and_then(|time| self.wall.checked_add(time).ok());
        Self {
            process: self.process + time,
            wall: wall.unwrap_or(self.wall),
        }
    }
}

impl Tokens {
    /// Keeps at most so many tokens (none for zero), and none for longer than that or an hour.
    pub fn new(most: usize, longest: Duration) -> Self {
        Self {
            entries: Mutex::default(),
            most,
            longest: longest.min(LONGEST),
            google: Mutex::default(),
        }
    }

    /// Gives the cluster of Google that was found.
    pub(crate) fn google_cluster(&self) -> Option<gcp::Cluster> {
        self.google.lock().clone()
    }

    /// Keeps it.
    pub(crate) fn keep_google_cluster(&self, found: gcp::Cluster) {
        *self.google.lock() = Some(found);
    }

    /// Tells what was done with tokens so far.
    pub fn counts(&self) -> TokenCounts {
        let entries = self.entries.lock();
        TokenCounts {
            kept: entries.all.len(),
            ..entries.counts
        }
    }

    /// Tells for which objects tokens were asked for so far.
    pub fn events(&self) -> Vec<(Involved, TokenEvents)> {
        let entries = self.entries.lock();
        let events = entries.events.iter();
        events
            .map(|(involved, events)| (involved.clone(), *events))
            .collect()
    }

    /// Tells whether any are kept at all.
    pub fn are_kept(&self) -> bool {
        self.most > 0
    }

    /// Drops what was counted for an object that is gone.
    pub fn forget(&self, kind: &str, namespace: &str, name: &str) {
        let mut entries = self.entries.lock();
        entries
            .events
            .retain(|of, _| (&*of.kind, &*of.namespace, &*of.name) != (kind, namespace, name));
    }

    /// Counts a request for a token.
    pub(crate) fn count(&self, involved: Option<&Involved>, end: End) {
        if !self.are_kept() {
            return;
        }
        let mut entries = self.entries.lock();
        match end {
            End::Kept | End::Made => entries.counts.succeeded += 1,
            End::Failed => entries.counts.failed += 1,
        }
        if let Some(involved) = involved {
            let events = entries.events.entry(involved.clone()).or_default();
            match end {
                End::Kept => events.hits += 1,
                End::Made | End::Failed => events.misses += 1,
            }
        }
    }

    pub(crate) fn get(&self, key: &Key, now: Moment) -> Option<Kept> {
        let mut entries = self.entries.lock();
        entries.uses += 1;
        let used = entries.uses;
        if entries.all.get(key).is_some_and(|entry| entry.until.is_past(now)) {
            entries.all.remove(key);
        }
        let entry = entries.all.get_mut(key)?;
        entry.used = used;
        Some(entry.token.clone())
    }

    /// Keeps a token that says when it ends.
    pub(crate) fn keep(&self, key: Key, token: &Kept, now: Moment) {
        let left = token.expires().map(|end| end.duration_since(now.wall));
        let left = left.and_then(|left| Duration::try_from(left).ok());
        let Some(left) = left.filter(|left| self.most > 0 && !left.is_zero()) else {
            return;
        };
        // As the kubelet does with tokens of service accounts.
        let until = now.after(left.mul_f64(0.8).min(self.longest));
        let mut entries = self.entries.lock();
        entries.uses += 1;
        let used = entries.uses;
        let token = token.clone();
        entries.all.insert(key, Entry { token, until, used });
        while entries.all.len() > self.most {
            let oldest = entries.all.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            entries.all.remove(&oldest);
            entries.counts.evictions += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn token(until: i64) -> Kept {
        Kept::Bearer(AccessToken {
            token: Zeroizing::new("t".to_owned()),
            expires: Some(Timestamp::from_second(until).unwrap()),
        })
    }

    fn named(name: &str) -> Key {
        key(&[name.to_owned()])
    }

    #[test]
    fn tokens_are_kept_for_four_fifths_of_their_life_and_an_hour_at_most() {
        let tokens = Tokens::new(100, Duration::from_hours(24));
        let start = Moment::now(Timestamp::UNIX_EPOCH);
        let after = |seconds| start.after(Duration::from_secs(seconds));
        tokens.keep(named("short"), &token(1000), start);
        tokens.keep(named("long"), &token(100_000), start);
        tokens.keep(named("ended"), &token(-1), start);
        let has = |name, seconds| tokens.get(&named(name), after(seconds)).is_some();
        assert!(!has("ended", 0));
        assert!(has("short", 799) && !has("short", 800));
        assert!(has("long", 3599) && !has("long", 3600));
        assert_eq!(tokens.counts().kept, 0);
    }

    #[test]
    fn a_clock_that_is_set_back_and_a_machine_that_sleeps_make_no_token_last() {
        let start = Moment::now(Timestamp::UNIX_EPOCH);
        let later = start.after(Duration::from_mins(15));
        for now in [
            Moment {
                wall: start.wall,
                ..later
            },
            Moment {
                process: start.process,
                ..later
            },
        ] {
            let tokens = Tokens::new(100, LONGEST);
            tokens.keep(named("a"), &token(1000), start);
            assert!(tokens.get(&named("a"), now).is_none());
        }
    }

    #[test]
    fn the_one_that_was_not_used_for_longest_makes_room() {
        let (tokens, now) = (Tokens::new(2, LONGEST), Moment::now(Timestamp::UNIX_EPOCH));
        tokens.keep(named("a"), &token(1000), now);
        tokens.keep(named("b"), &token(1000), now);
        assert!(tokens.get(&named("a"), now).is_some());
        tokens.keep(named("c"), &token(1000), now);
        assert!(tokens.get(&named("b"), now).is_none());
        assert!(tokens.get(&named("a"), now).is_some() && tokens.get(&named("c"), now).is_some());
        assert_eq!(tokens.counts().evictions, 1);
        let none = Tokens::new(0, LONGEST);
        none.keep(named("a"), &token(1000), now);
        assert!(none.get(&named("a"), now).is_none());
        none.count(None, End::Made);
        assert_eq!(none.counts(), TokenCounts::default());
    }

    #[test]
    fn requests_are_counted_for_the_object_that_they_are_for() {
        let involved = |name: &str| Involved {
            kind: "Kustomization".to_owned(),
            namespace: "apps".to_owned(),
            name: name.to_owned(),
            operation: "fetch_kubeconfig",
        };
        let tokens = Tokens::new(2, LONGEST);
        let (web, db) = (involved("web"), involved("db"));
        for (of, end) in [
            (Some(&web), End::Made),
            (Some(&web), End::Kept),
            (Some(&web), End::Kept),
            (Some(&db), End::Failed),
            (None, End::Kept),
        ] {
            tokens.count(of, end);
        }
        let counts = tokens.counts();
        assert_eq!((counts.succeeded, counts.failed), (4, 1));
        let events = |hits, misses| TokenEvents { hits, misses };
        assert_eq!(tokens.events(), [(db, events(0, 1)), (web.clone(), events(2, 1))]);
        tokens.forget("Kustomization", "apps", "db");
        tokens.forget("HelmRelease", "apps", "web");
        assert_eq!(tokens.events(), [(web, events(2, 1))]);
    }
}

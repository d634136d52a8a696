//! Artifacts that were refused lately: a retry of what cannot get better costs no download.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{ContentError, Digest, FetchError};

/// What was asked for: a digest, and where it was to come from.
pub(super) type Wanted = (Digest, String);

/// The most refusals that are remembered.
const MOST: usize = 256;

/// How long bytes that cannot be used are remembered. They were verified, so that others will not come.
const CONTENT: Duration = Duration::from_hours(1);

/// How long an answer of the wrong digest is remembered: the server may be about to serve the right bytes.
const ANSWER: Duration = Duration::from_mins(1);

/// Refusals by what was asked for, bounded in number and time.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<Wanted, (ContentError, Instant)>);

impl Refused {
    /// Gives why these bytes were refused, if they were and it is not too long ago.
    pub(super) fn get(&self, wanted: &Wanted, now: Instant) -> Option<ContentError> {
        let (error, until) = self.0.get(wanted)?;
        (now < *until).then(|| error.clone())
    }

    pub(super) fn forget(&mut self, wanted: &Wanted) {
        self.0.remove(wanted);
    }

    /// Remembers a failure that a retry would only repeat.
    pub(super) fn note(&mut self, wanted: &Wanted, error: &ContentError, now: Instant) {
        let Some(time) = stands_for(error) else { return };
        self.0.retain(|_, (_, until)| now < *until);
        if self.0.len() >= MOST {
            let soonest = self.0.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(wanted) = soonest.map(|(wanted, _)| wanted.clone()) {
                self.0.remove(&wanted);
            }
        }
        self.0.insert(wanted.clone(), (error.clone(), now + time));
    }
}

fn stands_for(error: &ContentError) -> Option<Duration> {
    match error {
        ContentError::Unpack(_) => Some(CONTENT),
        ContentError::Fetch(error) => match error.as_ref() {
            FetchError::TooLarge { .. } => Some(CONTENT),
            FetchError::Digest { .. } => Some(ANSWER),
            _ => None,
        },
        ContentError::Aborted => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::artifact::UnpackError;

    fn wanted(number: usize) -> Wanted {
        (Digest::sha256(b""), number.to_string())
    }

    #[test]
    fn refusals_end_and_are_few() {
        let bomb = ContentError::Unpack(Arc::new(UnpackError::TooLarge(1)));
        let broken = ContentError::Fetch(Arc::new(FetchError::NotFound { url: String::new() }));
        let (mut refused, start) = (Refused::default(), Instant::now());
        refused.note(&wanted(0), &broken, start);
        assert!(
            refused.get(&wanted(0), start).is_none(),
            "a missing file may come"
        );
        refused.note(&wanted(0), &bomb, start);
        assert!(refused.get(&wanted(0), start).is_some());
        assert!(refused.get(&wanted(0), start + CONTENT).is_none());
        for number in 1..=MOST {
            let later = start + Duration::from_secs(number as u64);
            refused.note(&wanted(number), &bomb, later);
        }
        assert_eq!(refused.0.len(), MOST);
        assert!(refused.get(&wanted(0), start).is_none(), "the oldest had to go");
        assert!(refused.get(&wanted(MOST), start).is_some());
    }
}

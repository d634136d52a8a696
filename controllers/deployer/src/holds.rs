//! Objects that whoever moves them asks us to let be, until it has seen that stock is done with them.
//!
//! Stock may have begun a run of an object right before it was told that the object is ours, and says so a moment later. Who moves
//! it can see that, as long as nobody else writes. That one may die, so that it is waited for a while and no longer: by our own clock,
//! from when we saw that we are asked.

use std::collections::HashMap;
use std::time::Duration;

use controller_kit::ObjectKey;
use flux_api::HELD_SINCE;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an object is let be without being asked for it anew.
const LONGEST: Duration = Duration::from_secs(30);

/// Who asked longer ago than this by its clock is not heard any more: the mark was left behind.
const STALE: Duration = Duration::from_mins(5);

/// What was asked for, and when that was seen.
type Asked = (String, Instant);

/// What is let be.
#[derive(Debug, Default)]
pub(crate) struct Holds(Mutex<HashMap<ObjectKey, Asked>>);

impl Holds {
    /// How much longer an object is to be let be; what is being deleted is not.
    pub(crate) fn left(&self, key: &ObjectKey, meta: &ObjectMeta, now: Timestamp) -> Option<Duration> {
        let annotations = meta.annotations.as_ref();
        let since = annotations.and_then(|annotations| annotations.get(HELD_SINCE));
        let mut holds = self.0.lock();
        let Some(since) = since.filter(|since| meta.deletion_timestamp.is_none() && is_fresh(since, now))
        else {
            holds.remove(key);
            return None;
        };
        let (asked, seen) = holds
            .entry(key.clone())
            .or_insert_with(|| (since.clone(), Instant::now()));
        if *asked != *since {
            (*asked, *seen) = (since.clone(), Instant::now());
        }
        LONGEST.checked_sub(seen.elapsed()).filter(|left| !left.is_zero())
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }
}

/// Whether a mark was set just now, as far as the clocks of two machines can be compared.
fn is_fresh(since: &str, now: Timestamp) -> bool {
    since
        .parse::<Timestamp>()
        .is_ok_and(|since| now.duration_since(since).unsigned_abs() < STALE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn held(since: &str) -> ObjectMeta {
        ObjectMeta {
            annotations: Some(BTreeMap::from([(HELD_SINCE.to_owned(), since.to_owned())])),
            ..ObjectMeta::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_let_be_as_long_as_somebody_asks_for_it() {
        let (holds, key) = (Holds::default(), ObjectKey::new("apps", "app"));
        let now: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let left = |meta: &ObjectMeta| holds.left(&key, meta, now);
        assert_eq!(left(&ObjectMeta::default()), None);
        let first = held("2026-01-01T00:00:00Z");
        assert_eq!(left(&first), Some(LONGEST));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(left(&first), Some(Duration::from_secs(10)));
        // Asked for anew.
        let second = held("2026-01-01T00:00:20Z");
        assert_eq!(left(&second), Some(LONGEST));
        tokio::time::advance(LONGEST).await;
        assert_eq!(left(&second), None);
        // Whoever asked is gone, and that stays so.
        assert_eq!(left(&second), None);
        assert_eq!(left(&ObjectMeta::default()), None);
        assert_eq!(left(&second), Some(LONGEST));
    }

    #[test]
    fn what_was_left_behind_or_is_being_deleted_is_not_let_be() {
        let (holds, key) = (Holds::default(), ObjectKey::new("apps", "app"));
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        for since in ["2026-01-01T00:50:00Z", "2026-01-01T01:10:00Z", "yesterday", ""] {
            assert_eq!(holds.left(&key, &held(since), now), None, "{since}");
        }
        let mut deleted = held("2026-01-01T01:00:00Z");
        assert!(holds.left(&key, &deleted, now).is_some());
        deleted.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
        assert_eq!(holds.left(&key, &deleted, now), None);
    }
}

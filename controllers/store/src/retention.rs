//! Which files are garbage: a pure function of how long others have stood in their place.

use std::time::Duration;

/// Why a file is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// Another took its place long enough ago.
    Expired,
    /// There are more files of its object than are kept.
    TooMany,
    /// Its object is gone.
    Gone,
    /// The room is needed.
    NoRoom,
}

impl Rule {
    /// The name of the rule in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Expired => "ttl",
            Self::TooMany => "records",
            Self::Gone => "gone",
            Self::NoRoom => "space",
        }
    }
}

/// How long files are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) ttl: Duration,
    pub(crate) records: usize,
    pub(crate) grace: Duration,
}

/// Says which files of one object are garbage, given for each, oldest first, how long ago another took its place; the one
/// that is offered, and one that is about to be, have no such time.
pub(crate) fn garbage(superseded: &[Option<Duration>], retention: &Retention) -> Vec<(usize, Rule)> {
    let age = |at: usize| superseded.get(at).copied().flatten();
    let expired = |at: &usize| age(*at).is_some_and(|age| age > retention.ttl.max(retention.grace));
    let mut garbage: Vec<_> = (0..superseded.len())
        .filter(expired)
        .map(|at| (at, Rule::Expired))
        .collect();
    let mut left = superseded.len() - garbage.len();
    for at in (0..superseded.len()).filter(|at| !expired(at)) {
        if left <= retention.records {
            break;
        }
        if age(at).is_some_and(|age| age >= retention.grace) {
            garbage.push((at, Rule::TooMany));
            left -= 1;
        }
    }
    garbage
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Row {
        files: u32,
        records: usize,
        ttl: f64,
        collected: Vec<usize>,
    }

    /// Where ours keeps a file that stock collects, or the other way round; stock counts the age of a file from when it was
    /// written, and counts what has expired twice when it counts files.
    const DIFFERENT: &[(u32, usize, f64, &[usize])] = &[
        (6, 2, 3.5, &[1, 2, 3, 4]),
        (6, 2, 4.5, &[1, 2, 3, 4]),
        (3, 5, 1.5, &[]),
    ];

    #[test]
    fn files_are_kept_as_long_as_stock_keeps_them_or_longer() {
        let rows = include_str!("../cases/garbage.jsonl").lines();
        let mut different = Vec::new();
        for row in rows {
            let row: Row = serde_json::from_str(row).expect("a recorded row");
            // One file is written each second, the last one just now: that is when it took the place of the one before.
            let superseded: Vec<_> = (1..=row.files)
                .map(|number| {
                    (number < row.files).then(|| Duration::from_secs((row.files - number - 1).into()))
                })
                .collect();
            let retention = Retention {
                ttl: Duration::from_secs_f64(row.ttl),
                records: row.records,
                grace: Duration::ZERO,
            };
            let mut ours: Vec<_> = garbage(&superseded, &retention)
                .into_iter()
                .map(|(at, _)| at + 1)
                .collect();
            ours.sort_unstable();
            if ours != row.collected {
                different.push((row.files, row.records, row.ttl, ours));
            }
        }
        let expected: Vec<_> = DIFFERENT
            .iter()
            .map(|(files, records, ttl, ours)| (*files, *records, *ttl, ours.to_vec()))
            .collect();
        assert_eq!(different, expected);
    }

    #[test]
    fn nothing_that_readers_may_be_about_to_fetch_is_removed() {
        let seconds = |all: &[u64]| {
            let ages = all.iter().map(|age| Some(Duration::from_secs(*age)));
            ages.chain([None]).collect::<Vec<_>>()
        };
        let retention = Retention {
            ttl: Duration::from_mins(1),
            records: 2,
            grace: Duration::from_secs(15),
        };
        assert_eq!(garbage(&seconds(&[14, 9, 3]), &retention), []);
        assert_eq!(
            garbage(&seconds(&[16, 15, 3]), &retention),
            [(0, Rule::TooMany), (1, Rule::TooMany)]
        );
        assert_eq!(garbage(&seconds(&[61]), &retention), [(0, Rule::Expired)]);
        assert_eq!(garbage(&seconds(&[60]), &retention), []);
        assert_eq!(
            garbage(&[None, None, None], &retention),
            [],
            "none of them was superseded"
        );
        let hurried = Retention {
            ttl: Duration::from_secs(1),
            ..retention
        };
        assert_eq!(garbage(&seconds(&[14]), &hurried), []);
    }
}

//! What is known of charts without loading them: a run that finds everything as it should be needs no more.

use std::collections::HashMap;

use helm::Chart;
use parking_lot::Mutex;

/// What the state machine asks of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) app_version: String,
}

impl Head {
    pub(crate) fn of(chart: &Chart) -> Self {
        let metadata = chart.metadata();
        Self {
            name: metadata.name.clone(),
            version: metadata.version.clone(),
            app_version: metadata.app_version.clone(),
        }
    }
}

/// How many heads are kept; a cluster has fewer charts in use.
const MOST: usize = 4096;

/// The heads of charts that were verified and loaded, by the digests of their artifacts.
#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<HashMap<String, Head>>);

impl Heads {
    pub(crate) fn get(&self, digest: &str) -> Option<Head> {
        self.0.lock().get(digest).cloned()
    }

    pub(crate) fn note(&self, digest: &str, head: Head) {
        let mut heads = self.0.lock();
        if heads.len() >= MOST {
            // Those in use come back with their next runs.
            heads.clear();
        }
        heads.insert(digest.to_owned(), head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_bounded() {
        let head = |name: &str| Head {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            app_version: String::new(),
        };
        let heads = Heads::default();
        for number in 0..=MOST {
            heads.note(&number.to_string(), head("a"));
        }
        heads.note("b", head("b"));
        assert_eq!(heads.get("b"), Some(head("b")));
        assert_eq!(heads.get("0"), None);
        assert!(heads.0.lock().len() < MOST);
    }
}

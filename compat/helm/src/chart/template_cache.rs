//! Parsed templates of a chart, kept between renders.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gotmpl::{FuncMap, Limits, TemplateSet};

/// How many parsed sets a chart keeps: one per choice of subcharts that is in use at a time.
const KEPT: usize = 4;

/// The template sets that a chart was last rendered with.
///
/// Which templates take part, and under which names, depends on the values; usually it is always the same choice.
#[derive(Debug, Default)]
pub(crate) struct TemplateCache {
    sets: Mutex<Vec<(Key, Arc<Mutex<Parsed>>)>>,
}

/// What became of the templates of a key.
#[derive(Debug, Default)]
enum Parsed {
    /// Nobody has parsed them yet.
    #[default]
    No,
    Set(TemplateSet),
    /// They do not parse: everybody who has waited finds that out alone, at the same time as the others.
    Failed,
}

/// What decides about the parsed form: the functions, the limits, and each template's name and text.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) funcs: Arc<FuncMap>,
    pub(crate) limits: Limits,
    pub(crate) templates: Vec<Source>,
}

/// The name and the text of a template.
pub(crate) type Source = (String, Arc<[u8]>);

impl PartialEq for Key {
    /// Texts are compared by identity: they belong to one immutable chart.
    fn eq(&self, other: &Self) -> bool {
        let same = |(left, right): (&Source, &Source)| left.0 == right.0 && Arc::ptr_eq(&left.1, &right.1);
        Arc::ptr_eq(&self.funcs, &other.funcs)
            && self.limits == other.limits
            && self.templates.len() == other.templates.len()
            && self.templates.iter().zip(&other.templates).all(same)
    }
}

impl TemplateCache {
    /// Returns the set for a key, parsing it if it is not kept; renders that begin at once with the same key wait for the first
    /// one to parse.
    pub(crate) fn get<E>(
        &self,
        key: &Key,
        parse: impl FnOnce(&Key) -> Result<TemplateSet, E>,
    ) -> Result<TemplateSet, E> {
        let place = self.place(key);
        let mut parsed = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*parsed {
            Parsed::Set(set) => return Ok(set.clone()),
            Parsed::Failed => {
                drop(parsed);
                return parse(key);
            }
            Parsed::No => {}
        }
        let result = parse(key);
        *parsed = if let Ok(set) = &result {
            Parsed::Set(set.clone())
        } else {
            self.sets().retain(|(_, kept)| !Arc::ptr_eq(kept, &place));
            Parsed::Failed
        };
        drop(parsed);
        result
    }

    /// Where the set of a key is, or will be.
    fn place(&self, key: &Key) -> Arc<Mutex<Parsed>> {
        let mut sets = self.sets();
        if let Some((_, place)) = sets.iter().find(|(kept, _)| kept == key) {
            return Arc::clone(place);
        }
        let place = Arc::default();
        sets.truncate(KEPT - 1);
        sets.insert(0, (key.clone(), Arc::clone(&place)));
        place
    }

    /// Nobody parses while holding this.
    fn sets(&self) -> MutexGuard<'_, Vec<(Key, Arc<Mutex<Parsed>>)>> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use gotmpl::Options;

    use super::*;

    fn key(name: &str) -> Key {
        Key {
            funcs: Arc::default(),
            limits: Limits::default(),
            templates: vec![(name.to_owned(), Arc::from(*b"a"))],
        }
    }

    #[test]
    fn a_key_is_parsed_once_and_others_do_not_wait_for_it() {
        let (cache, parses, both) = (TemplateCache::default(), AtomicUsize::new(0), Barrier::new(2));
        let (first, second) = (key("a"), key("b"));
        // Each of the two parses ends when the other one is under way.
        let get = |key: &Key| {
            let parse = |_: &Key| {
                parses.fetch_add(1, Ordering::Relaxed);
                both.wait();
                Ok::<_, ()>(TemplateSet::new(Arc::default(), Options::default()))
            };
            cache.get(key, parse).is_ok()
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(get(&first)));
                scope.spawn(|| assert!(get(&second)));
            }
        });
        assert_eq!(parses.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_does_not_parse_is_not_kept_and_nobody_waits_for_the_next_one_to_find_out() {
        let (cache, start, key) = (TemplateCache::default(), Barrier::new(8), key("a"));
        let (parsing, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let get = || {
            start.wait();
            let failed = cache.get(&key, |_| {
                let now = parsing.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(100));
                parsing.fetch_sub(1, Ordering::Relaxed);
                Err("no")
            });
            assert_eq!(failed.err(), Some("no"));
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(get);
            }
        });
        assert!(most.load(Ordering::Relaxed) > 1);
        assert!(cache.sets().is_empty());
    }
}

//! Parsed templates of a chart, kept between renders.

use std::sync::{Arc, Mutex, PoisonError};

use gotmpl::{FuncMap, Limits, TemplateSet};

/// How many parsed sets a chart keeps: one per choice of subcharts that is in use at a time.
const KEPT: usize = 4;

/// The template sets that a chart was last rendered with.
///
/// Which templates take part, and under which names, depends on the values; usually it is always the same choice.
#[derive(Debug, Default)]
pub(crate) struct TemplateCache {
    sets: Mutex<Vec<(Key, TemplateSet)>>,
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
    /// Returns the set for a key, parsing it if it is not kept; renders that begin at once wait for the first one to parse.
    pub(crate) fn get<E>(
        &self,
        key: Key,
        parse: impl FnOnce(&Key) -> Result<TemplateSet, E>,
    ) -> Result<TemplateSet, E> {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, set)) = sets.iter().find(|(kept, _)| *kept == key) {
            return Ok(set.clone());
        }
        let set = parse(&key)?;
        sets.truncate(KEPT - 1);
        sets.insert(0, (key, set.clone()));
        Ok(set)
    }
}

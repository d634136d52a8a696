//! The order of the output.

use std::cmp::Ordering;

use crate::error::Context;
use crate::load::kustomization::{LegacySortOptions, SortOptions};
use crate::object::resid::{ORDER_FIRST, ORDER_LAST, rank_in};
use crate::object::resmap::ResMap;
use crate::{Error, Gvk, ResId};

/// Sorts by the options of a kustomization.
pub(crate) fn sort_as(objects: &mut ResMap, options: &SortOptions) -> Result<(), Error> {
    match (options.order.as_str(), &options.legacy) {
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => Err(Error::invalid(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
        )),
        ("legacy", None) => sort_legacy(objects),
        (
            "legacy",
            Some(LegacySortOptions {
                order_first,
                order_last,
            }),
        ) => sort_by_rank(objects, order_first, order_last),
        _ => Err(Error::invalid(
            "the field 'sortOptions.order' must be one of [fifo, legacy]",
        )),
    }
}

/// Sorts by the default ranks of kinds.
pub(crate) fn sort_legacy(objects: &mut ResMap) -> Result<(), Error> {
    sort_by_rank(objects, &ORDER_FIRST, &ORDER_LAST)
}

fn sort_by_rank<S: AsRef<str>>(objects: &mut ResMap, first: &[S], last: &[S]) -> Result<(), Error> {
    let mut keyed: Vec<_> = std::mem::take(&mut objects.resources)
        .into_iter()
        .map(|resource| (Key::new(resource.id(), first, last), resource))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.compare(b));
    objects.resources = keyed.into_iter().map(|(_, resource)| resource).collect();
    objects
        .check_distinct(|_| true)
        .context("SortOrderTransformer: Failed to append to resources")
}

struct Key {
    rank: isize,
    gvk: Gvk,
    gvk_text: String,
    id_text: String,
}

impl Key {
    fn new<S: AsRef<str>>(id: ResId, first: &[S], last: &[S]) -> Self {
        let part = |text: &str, when_empty: &str| {
            if text.is_empty() {
                when_empty.to_owned()
            } else {
                text.to_owned()
            }
        };
        let id_text = format!(
            "{}|{}|{}",
            id.gvk,
            part(&id.namespace, "~X"),
            part(&id.name, "~N")
        );
        Self {
            rank: rank_in(first, last, &id.gvk.kind),
            gvk_text: id.gvk.sort_text(),
            gvk: id.gvk,
            id_text,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        if self.gvk == other.gvk {
            return self.id_text.cmp(&other.id_text);
        }
        let by_type = self.gvk_text.cmp(&other.gvk_text);
        let namespaces = self.gvk.kind == "Namespace" && other.gvk.kind == "Namespace";
        let one_is_core = self.gvk.group.is_empty() || other.gvk.group.is_empty();
        self.rank.cmp(&other.rank).then(if namespaces && one_is_core {
            by_type.reverse()
        } else {
            by_type
        })
    }
}

//! What applying an object would change of the live one, field by field, and whose fault that is.
//!
//! The two sides are the live object and what the API server says it would be after the apply. Drift is judged as stock judges
//! it: by labels, annotations and everything outside of `metadata` and `status`. Beyond that the owners of the fields have to
//! stay, or an apply that looks like nothing would still write.

mod difference;
mod owners;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::Value;

use difference::{Difference, differences};
use owners::Owners;

use crate::{FieldOwner, Finding};

/// How many differences of one object are told.
const TOLD: usize = 10;

/// What is known besides the two sides.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The object, such as `Deployment/apps/web`.
    pub object: &'a str,
    /// The field manager that applies, which stock and ours have in common.
    pub manager: &'a str,
    /// Whether it is proven otherwise that stock rendered the very same: by the digest in its history.
    pub is_same_rendering: bool,
}

/// Tells what an apply would change; nothing if the object stays as it is, to the last field and its owner.
pub fn compare(live: &Value, wanted: &Value, circumstances: Circumstances<'_>) -> Vec<Finding> {
    let differences = differences(live, wanted, TOLD);
    if differences.is_empty() {
        return ownership(live, wanted, circumstances).into_iter().collect();
    }
    let owners = Owners::of(live);
    differences
        .into_iter()
        .map(|difference| {
            blame(
                &difference,
                &owners.of_field(live, &difference.path),
                circumstances,
            )
        })
        .collect()
}

/// Tells whether two states of an object differ in what counts.
pub fn differ(one: &Value, other: &Value) -> bool {
    !differences(one, other, 1).is_empty()
}

/// Says whose fault a difference is.
///
/// A field that the common manager alone owns was applied by stock, from the same input: ours makes something else of it. A field
/// that somebody else owns was changed after stock. What nobody owns is not there: it was taken away after stock, if stock is known
/// to have rendered the same.
fn blame(
    difference: &Difference,
    owners: &[FieldOwner],
    Circumstances {
        object,
        manager,
        is_same_rendering,
    }: Circumstances<'_>,
) -> Finding {
    let change = difference.change;
    let path = difference.to_string();
    let other = owners.iter().find(|owner| owner.manager != manager);
    let (code, why, owner) = match (other, owners.is_empty()) {
        (Some(other), _) => {
            let why = format!(
                "{} by {}, which an apply takes back",
                change.was_done(),
                other.manager
            );
            ("M201", why, Some(other.clone()))
        }
        (None, true) if is_same_rendering => {
            let why = "taken away after stock applied it, which an apply takes back".to_owned();
            ("M201", why, None)
        }
        (None, true) => ("M108", change.would_be_done().to_owned(), None),
        (None, false) => {
            let why = format!("{}, and stock alone owns it", change.would_be_done());
            ("M108", why, owners.first().cloned())
        }
    };
    Finding {
        path,
        owner,
        ..Finding::new(code, why).about(object)
    }
}

/// Tells what would change of the owners of fields, where no value would.
fn ownership(live: &Value, wanted: &Value, circumstances: Circumstances<'_>) -> Option<Finding> {
    let (has, gets) = (Owners::of(live), Owners::of(wanted));
    let managers: BTreeSet<_> = has.managers().chain(gets.managers()).collect();
    for manager in managers {
        if let Some(field) = has.first_difference(&gets, manager) {
            let why = format!("{} would own other fields", manager.0);
            return Some(Finding {
                path: field,
                ..Finding::new("M109", why).about(circumstances.object)
            });
        }
    }
    None
}

/// Says that an apply would begin by taking over what a tool left in an object.
pub fn cleanup(
    live: &Value,
    object: &str,
    manager: &str,
    is_taken_over: impl Fn(&FieldOwner) -> bool,
) -> Finding {
    let owners = Owners::of(live);
    let taken = owners
        .all()
        .into_iter()
        .find(|(owner, _)| owner.manager != manager && is_taken_over(owner));
    let (why, path, owner) = match taken {
        Some((owner, field)) => (
            format!("owned by {}, whose fields an apply takes over", owner.manager),
            field,
            Some(owner),
        ),
        None => (
            "traces of another tool, which an apply removes".to_owned(),
            "metadata.annotations".to_owned(),
            None,
        ),
    };
    Finding {
        path,
        owner,
        ..Finding::new("M201", why).about(object)
    }
}

//! Which kustomization files lead to which, as they are written.

use std::collections::{BTreeMap, BTreeSet};

use go_yaml::{Limits, Node};

use super::checkout::{Checkout, directory, join};

/// The names that a kustomization file may have.
const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The fields by which a kustomization file takes in others.
const FIELDS: [&str; 3] = ["resources", "bases", "components"];

/// The kustomization file of a directory.
pub(super) fn file_of(checkout: &Checkout, directory: &str) -> Option<String> {
    NAMES.iter().find_map(|name| {
        let path = join(directory, name)?;
        checkout.get(&path).is_some().then_some(path)
    })
}

/// The kustomization files that are read from a directory on, each with the way to it: the files before it, from the first.
pub(super) fn ways(checkout: &Checkout, from: &str) -> BTreeMap<String, Vec<String>> {
    let mut ways = BTreeMap::new();
    // Where there is none, Flux makes one of what lies below.
    let mut next: Vec<_> = match file_of(checkout, from) {
        Some(_) => vec![(from.to_owned(), Vec::<String>::new())],
        None => first_below(checkout, from)
            .into_iter()
            .map(|at| (at, Vec::new()))
            .collect(),
    };
    let mut seen = BTreeSet::new();
    while let Some((at, way)) = next.pop() {
        let Some(file) = file_of(checkout, &at) else {
            continue;
        };
        if !seen.insert(file.clone()) {
            continue;
        }
        let mut below = way.clone();
        below.push(file.clone());
        for entry in entries(checkout, &file) {
            if let Some(path) = join(&at, &entry)
                && checkout.has_directory(&path)
            {
                next.push((path, below.clone()));
            }
        }
        ways.insert(file, way);
    }
    ways
}

/// The directories below one that have a kustomization file, and of which none lies in another.
fn first_below(checkout: &Checkout, from: &str) -> Vec<String> {
    let files = checkout.below(from).filter(|file| {
        let name = file.rsplit('/').next().unwrap_or_default();
        NAMES.contains(&name)
    });
    let mut found: Vec<String> = Vec::new();
    let mut all: Vec<_> = files.map(|file| directory(file).to_owned()).collect();
    all.sort_by_key(|at| (at.matches('/').count(), at.clone()));
    for at in all {
        let is_inside = |outer: &String| {
            at.strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('/'))
        };
        if !found.iter().any(is_inside) {
            found.push(at);
        }
    }
    found.dedup();
    found
}

fn entries(checkout: &Checkout, file: &str) -> Vec<String> {
    let text = checkout.get(file).unwrap_or_default();
    let Ok(Some(node)) = go_yaml::v3::parse_first(text, &Limits::default()) else {
        return Vec::new();
    };
    let lists = FIELDS.iter().filter_map(|field| node.get(field));
    let items = lists.flat_map(Node::items).filter(|item| item.is_scalar());
    items.map(|item| item.text().to_owned()).collect()
}

/// The kustomization files on the way from a directory to a file, from the first to the one that names it.
pub(super) fn way_to(checkout: &Checkout, from: &str, file: &str) -> Vec<String> {
    let ways = ways(checkout, from);
    let names = |kustomization: &str| {
        let at = directory(kustomization);
        entries(checkout, kustomization)
            .iter()
            .any(|entry| join(at, entry).as_deref() == Some(file))
    };
    let found = ways.iter().find(|(kustomization, _)| names(kustomization));
    found.map_or_else(Vec::new, |(last, way)| {
        way.iter().chain(std::iter::once(last)).cloned().collect()
    })
}

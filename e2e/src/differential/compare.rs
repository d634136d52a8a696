//! Where the two sides differ.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::look::{ANY, State};
use super::play::Played;
use super::scenario::Scenario;

/// What came of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Differences that nobody has explained.
    pub unexplained: Vec<String>,
    /// How many there are that the scenario explains.
    pub explained: usize,
    /// Explanations that explain nothing.
    pub idle: Vec<String>,
}

/// Compares what both sides have left of a scenario.
pub fn compare(scenario: &Scenario, stock: &Played, ours: &Played) -> Compared {
    let mut found = Vec::new();
    for ((step, stock), (_, ours)) in stock.steps.iter().zip(&ours.steps) {
        difference(&format!("/{step}"), stock, &without_advice(ours), &mut found);
    }
    // Either side has been the other controller's for a moment.
    let [stock_told, ours_told] = [stock, ours].map(|played| {
        let told = played.events.iter();
        let told = told.map(|(line, about)| (unadvised(line), about.clone()));
        told.collect::<Vec<_>>()
    });
    let only = |a: &[(String, String)], b: &[(String, String)]| -> Vec<String> {
        let b: HashMap<_, _> = b.iter().map(|(line, about)| (line, about)).collect();
        let is_told = |line: &String, about: &String| {
            let other = b.get(line);
            other.is_some_and(|other| about == ANY || *other == ANY || *other == about)
        };
        let a = a.iter().filter(|(line, about)| !is_told(line, about));
        a.map(|(line, about)| format!("{line} {about}")).collect()
    };
    for line in only(&stock_told, &ours_told) {
        let at = format!("/events/stock/{}", reason_of(&line));
        found.push(Place::new(&at, format!("only stock tells: {line}")));
    }
    for line in only(&ours_told, &stock_told) {
        let at = format!("/events/ours/{}", reason_of(&line));
        found.push(Place::new(&at, format!("only ours tells: {line}")));
    }
    for (who, played) in [("stock", stock), ("ours", ours)] {
        for (to, before, after) in &played.moves {
            moved(&format!("/moved {to} from {who}"), before, after, &mut found);
        }
    }
    let mut compared = Compared::default();
    let mut used = BTreeSet::new();
    for place in found {
        let explanation = scenario
            .differs
            .iter()
            .position(|difference| covers(&difference.at, &of_a_status(&place.at)));
        match explanation {
            Some(explanation) => {
                used.insert(explanation);
                compared.explained += 1;
            }
            None => compared.unexplained.push(format!("{}\n{}", place.at, place.what)),
        }
    }
    let idle = scenario
        .differs
        .iter()
        .enumerate()
        .filter(|(at, difference)| !used.contains(at) && !difference.sometimes);
    compared.idle = idle.map(|(_, difference)| difference.at.clone()).collect();
    compared
}

/// The reason of an event, which is told as its type, its reason and its text.
fn reason_of(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}

/// What ours adds to texts of stock, so that people know what to do; COMPATIBILITY.md says so.
const ADVICE: [&str; 6] = [
    "; to have the object deleted and created anew, set spec.force: true of the Kustomization, or annotate the object with kustomize.toolkit.fluxcd.io/force: enabled",
    "; grant this permission, or change spec.serviceAccountName of the Kustomization",
    "; install its CustomResourceDefinition first, or correct apiVersion and kind",
    "; nothing was pruned by status.inventory, which has this entry: correct or remove it in the status of the Kustomization",
    "; nothing was deleted by status.inventory, which has this entry: correct or remove it in the status of the Kustomization, or set spec.deletionPolicy: Orphan to let the object go",
    "; set metadata.namespace, or spec.targetNamespace of the Kustomization",
];

/// A text without advice.
fn unadvised(text: &str) -> String {
    ADVICE
        .iter()
        .fold(text.to_owned(), |text, advice| text.replace(advice, ""))
}

/// A value without advice in its texts.
fn without_advice(value: &Value) -> Value {
    match value {
        Value::String(text) => unadvised(text).into(),
        Value::Array(items) => items.iter().map(without_advice).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, value)| (key.clone(), without_advice(value)))
                .collect()
        }
        other => other.clone(),
    }
}

/// One place where both differ.
struct Place {
    at: String,
    what: String,
}

impl Place {
    fn new(at: &str, what: String) -> Self {
        Self {
            at: at.to_owned(),
            what,
        }
    }
}

/// Fields of a status that a run changes although it finds nothing to do.
const OF_A_RUN: [&str; 2] = ["lastHandledReconcileAt", "lastTransitionTime"];

/// What a hand-over has changed.
fn moved(at: &str, before: &State, after: &State, found: &mut Vec<Place>) {
    let mut places = Vec::new();
    let (was, is) = (without_advice(&before.seen), without_advice(&after.seen));
    difference(at, &was, &is, &mut places);
    places.retain(|place| !OF_A_RUN.iter().any(|field| place.at.ends_with(field)));
    found.extend(places);
    for (id, version) in &before.versions {
        if after.versions.get(id) != Some(version) {
            let id = id.rsplit('/').take(2).collect::<Vec<_>>();
            let id = id.into_iter().rev().collect::<Vec<_>>().join("/");
            found.push(Place::new(
                &format!("{at}/written/{id}"),
                "  was written".to_owned(),
            ));
        }
    }
}

/// The place of a field of a status, of one that says who has written that field, or in which order its conditions are: it differs
/// with the field.
fn of_a_status(place: &str) -> String {
    const BEGIN: [&str; 2] = ["/managers/", "/1/f:status/f:"];
    if let Some((object, _)) = place.split_once("/order of conditions") {
        return format!("{object}/status/conditions");
    }
    let field = place
        .split_once(BEGIN[0])
        .and_then(|(object, manager)| Some((object, manager.split_once(BEGIN[1])?.1)));
    field.map_or_else(
        || place.to_owned(),
        |(object, field)| format!("{object}/status/{field}"),
    )
}

/// Tells whether a place is below one that is written with stars.
fn covers(pattern: &str, place: &str) -> bool {
    let mut parts = split(place).into_iter();
    split(pattern)
        .into_iter()
        .all(|pattern| parts.next().is_some_and(|part| pattern == "*" || pattern == part))
}

/// The parts of a path; those with a slash are quoted with brackets.
fn split(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(after) = rest.strip_prefix('/') {
        let end = if let Some(quoted) = after.strip_prefix('[') {
            quoted.find(']').map_or(after.len(), |end| end + 2)
        } else {
            after.find('/').unwrap_or(after.len())
        };
        let (part, further) = after.split_at(end);
        parts.push(part);
        rest = further;
    }
    parts
}

/// Notes where two values differ.
fn difference(at: &str, stock: &Value, ours: &Value, found: &mut Vec<Place>) {
    match (stock, ours) {
        (a, b) if a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let none = Value::Null;
            // How often there was a run is chance.
            for key in keys.into_iter().filter(|key| *key != "totalReconciliations") {
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                let key = if key.contains('/') {
                    format!("[{key}]")
                } else {
                    key.clone()
                };
                difference(&format!("{at}/{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{at}/{number}"), a, b, found);
            }
        }
        (a, b) => found.push(Place::new(at, format!("  stock {a}\n  ours  {b}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_are_covered_by_patterns() {
        for (pattern, place, covered) in [
            ("/step 1/*/a", "/step 1/x/a/b", true),
            ("/*/[a/b]/c", "/s/[a/b]/c", true),
            ("/*/*/c", "/s/[a/b]/c", true),
            ("/*/x", "/s/[a/b]/c", false),
            ("/a/b", "/a", false),
        ] {
            assert_eq!(covers(pattern, place), covered, "{pattern} {place}");
        }
    }

    #[test]
    fn who_has_written_a_field_is_explained_with_the_field() {
        for (place, expected) in [
            (
                "/s/releases/[a/b]/managers/c Update status/1/f:status/f:history",
                "/s/releases/[a/b]/status/history",
            ),
            (
                "/s/releases/[a/b]/order of conditions/1",
                "/s/releases/[a/b]/status/conditions",
            ),
            (
                "/s/releases/[a/b]/managers/c Update/1/f:metadata",
                "/s/releases/[a/b]/managers/c Update/1/f:metadata",
            ),
        ] {
            assert_eq!(of_a_status(place), expected);
        }
    }

    #[test]
    fn differences_are_told_by_their_places() {
        let mut found = Vec::new();
        difference(
            "",
            &json!({"a": [1, {"b/c": 2}], "d": 1}),
            &json!({"a": [1, {"b/c": 3}]}),
            &mut found,
        );
        let places: Vec<_> = found.iter().map(|place| place.at.as_str()).collect();
        assert_eq!(places, ["/a/1/[b/c]", "/d"]);
    }
}

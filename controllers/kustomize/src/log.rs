//! What became of applied objects, in the log, in stock's words and with the keys that `flux logs` reads.

use std::collections::BTreeMap;

use controller_kit::apply::Entry;
use controller_kit::object::Subject;

/// Logs what became of each applied object.
pub(crate) fn applied(revision: &str, entries: &[Entry], grouped: bool) {
    if entries.is_empty() {
        return;
    }
    let output = if grouped {
        serde_json::to_string(&by_action(entries))
    } else {
        serde_json::to_string(&by_subject(entries))
    };
    tracing::info!(
        output.json = output.unwrap_or_default(),
        revision,
        "server-side apply completed"
    );
}

fn by_subject(entries: &[Entry]) -> BTreeMap<String, &'static str> {
    let pair = |entry: &Entry| (Subject(&entry.id).to_string(), entry.action.as_str());
    entries.iter().map(pair).collect()
}

fn by_action(entries: &[Entry]) -> BTreeMap<&'static str, Vec<String>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in entries {
        let subject = Subject(&entry.id).to_string();
        groups.entry(entry.action.as_str()).or_default().push(subject);
    }
    groups
}

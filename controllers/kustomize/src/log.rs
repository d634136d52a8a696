//! What a run says in the log, in stock's words and with the keys that `flux logs` reads.

use std::collections::BTreeMap;

use controller_kit::ObjectKey;
use controller_kit::apply::Entry;
use controller_kit::events::Severity;
use controller_kit::object::Subject;
use tracing::Span;

use crate::context::CONTROLLER_LABEL;
use crate::reconcile::Reconciliation;

/// The span of a run: its fields are those of every entry that is logged within it.
pub(crate) fn span(key: &ObjectKey) -> Span {
    // Enabled on every level, because errors need the fields too.
    tracing::error_span!(
        "reconcile",
        controller = CONTROLLER_LABEL,
        controllerGroup = flux_api::KUSTOMIZE_GROUP,
        controllerKind = "Kustomization",
        namespace = key.namespace,
        name = key.name,
        reconcileID = reconcile_id(),
    )
}

/// A random UUID, which tells the entries of one run from those of others.
fn reconcile_id() -> String {
    let [a, b] = [fastrand::u64(..), fastrand::u64(..)];
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 48) & 0x3fff,
        b & 0xffff_ffff_ffff
    )
}

/// Logs what became of each applied object.
pub(crate) fn applied(run: &Reconciliation<'_>, entries: &[Entry]) {
    if entries.is_empty() {
        return;
    }
    let output = if run.context.settings.group_change_log {
        serde_json::to_string(&by_action(entries))
    } else {
        serde_json::to_string(&by_subject(entries))
    };
    tracing::info!(
        output.json = output.unwrap_or_default(),
        revision = revision(run),
        "server-side apply completed"
    );
}

/// Logs how a run ended.
pub(crate) fn ended(run: &Reconciliation<'_>, severity: Severity, message: &str) {
    let revision = revision(run);
    match severity {
        Severity::Info => tracing::info!(revision, "{message}"),
        Severity::Error => tracing::error!(revision, error = message, "Reconciliation failed"),
    }
}

fn revision<'a>(run: &'a Reconciliation<'_>) -> &'a str {
    run.revision
        .as_ref()
        .map_or("", |(revision, _)| revision.as_str())
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

//! What a run says in the log, in stock's words and with the keys that `flux logs` reads.

use controller_kit::ObjectKey;
use controller_kit::events::Severity;
use kube::Resource;
use tracing::Span;

use crate::kind::{Kind, kind_name};
use crate::run::Run;

/// The span of a run: its fields are those of every entry that is logged within it.
pub(crate) fn span<K: Kind>(key: &ObjectKey) -> Span {
    // Enabled on every level, because errors need the fields too.
    tracing::error_span!(
        "reconcile",
        controller = K::NAMES.label,
        controllerGroup = K::Object::group(&()).as_ref(),
        controllerKind = kind_name::<K::Object>(),
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

/// Logs how a run ended.
pub(crate) fn ended<K: Kind>(run: &Run<'_, K>, severity: Severity, message: &str) {
    let revision = run.about().revision;
    match severity {
        Severity::Info | Severity::Trace => tracing::info!(revision, "{message}"),
        Severity::Error => tracing::error!(revision, error = message, "Reconciliation failed"),
    }
}

//! What was written to the API server, from its audit log.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

const LOG: &str = "audit.log";

/// The policy: every write when it has been answered, and nothing else.
const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: None}
";

/// The flags that make the API server write its log, each line before the request is answered.
pub(super) fn arguments(dir: &Path, logs: &Path) -> Result<Vec<String>> {
    let policy = dir.join("audit-policy.yaml");
    std::fs::write(&policy, POLICY)?;
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", logs.join(LOG).display()),
        "--audit-log-mode=blocking".to_owned(),
    ])
}

/// One request that wrote, or would have written but for its dry-run.
#[derive(Clone, Debug)]
pub struct Write {
    /// `create`, `update`, `patch` or `delete`.
    pub verb: String,
    /// Plural of the kind.
    pub resource: String,
    /// Name of the object; empty when it was created without one in the URL.
    pub name: String,
    /// `status`, for instance; empty for the object itself.
    pub subresource: String,
    /// Field manager in the URL; empty when there is none.
    pub manager: String,
    /// Whether it was a dry-run.
    pub dry_run: bool,
}

impl Write {
    fn parse(event: &Value) -> Self {
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let uri = text("/requestURI");
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        let parameter = |key: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .into_iter()
                .find_map(|(name, value)| (name == key).then(|| value.to_owned()))
        };
        Self {
            verb: text("/verb"),
            resource: text("/objectRef/resource"),
            name: text("/objectRef/name"),
            subresource: text("/objectRef/subresource"),
            manager: parameter("fieldManager").unwrap_or_default(),
            dry_run: parameter("dryRun").is_some(),
        }
    }
}

/// The writes to objects of one namespace, in the order of their answers.
pub(super) fn writes(logs: &Path, namespace: &str) -> Result<Vec<Write>> {
    let path = logs.join(LOG);
    let log = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: was the control plane started with `audit`?", path.display()))?;
    let mut writes = Vec::new();
    // The last line may be half written.
    for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: Value = serde_json::from_str(line).context("the audit log")?;
        if event.pointer("/objectRef/namespace").and_then(Value::as_str) == Some(namespace) {
            writes.push(Write::parse(&event));
        }
    }
    Ok(writes)
}

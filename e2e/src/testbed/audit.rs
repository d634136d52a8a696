//! What was written to the API server, from its audit log.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What the API server writes down about requests when it has answered them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audit {
    /// Nothing: there is no log.
    #[default]
    Nothing,
    /// Every write, and the bodies of patches of Kustomizations and HelmReleases: enough for
    /// [`Testbed::writes`](super::Testbed::writes).
    Writes,
    /// Every request with its body, for whoever reads [`Testbed::audit_log`](super::Testbed::audit_log).
    Requests,
}

impl Audit {
    fn rules(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Writes => Some(
                "[{level: Request, verbs: [patch], resources: [\
                 {group: kustomize.toolkit.fluxcd.io, resources: [kustomizations]}, \
                 {group: helm.toolkit.fluxcd.io, resources: [helmreleases]}]}, \
                 {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}, {level: None}]",
            ),
            Self::Requests => Some("[{level: Request}]"),
        }
    }
}

/// The flags that make the API server write its log, each line before the request is answered.
pub(super) fn arguments(audit: Audit, dir: &Path, logs: &Path) -> Result<Vec<String>> {
    let Some(rules) = audit.rules() else {
        return Ok(Vec::new());
    };
    let policy = dir.join("audit-policy.yaml");
    // The API server takes a text that begins with a brace for JSON.
    std::fs::write(
        &policy,
        format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: {rules}\n"),
    )?;
    Ok(vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log(logs).display()),
        "--audit-log-mode=blocking".to_owned(),
        // A log that is rotated away would be missing from what is counted.
        "--audit-log-maxsize=16384".to_owned(),
    ])
}

/// Where the log is: one `audit.k8s.io/v1` event a line.
pub(super) fn log(logs: &Path) -> PathBuf {
    logs.join("audit.log")
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
    /// What the client says that it is; empty when it says nothing, as ours do.
    pub agent: String,
    /// When the request came, in a form that sorts.
    pub begun: String,
    /// When it was answered.
    pub ended: String,
    /// The status code of the answer.
    pub code: u64,
    /// The patch, of a Kustomization or HelmRelease alone.
    pub body: Value,
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
            agent: text("/userAgent"),
            begun: text("/requestReceivedTimestamp"),
            ended: text("/stageTimestamp"),
            code: event
                .pointer("/responseStatus/code")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
            body: event.get("requestObject").cloned().unwrap_or_default(),
        }
    }
}

/// How the names of objects begin that do not exist and are deleted to know that everything before is in the log.
pub(super) const FENCE: &str = "audit-fence-";

/// The writes to objects of one namespace, in the order of their answers; nothing before `fence` is among them.
pub(super) fn writes(logs: &Path, namespace: &str, fence: &str) -> Result<Option<Vec<Write>>> {
    let path = log(logs);
    let log = std::fs::read_to_string(&path)
        .with_context(|| format!("{}: was the control plane started with `audit`?", path.display()))?;
    let mut writes = Vec::new();
    let mut complete = false;
    // The last line may be half written.
    for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: Value = serde_json::from_str(line).context("the audit log")?;
        if event.pointer("/objectRef/namespace").and_then(Value::as_str) == Some(namespace) {
            writes.push(Write::parse(&event));
            complete |= writes.last().is_some_and(|write| write.name == fence);
        }
    }
    writes.retain(|write| !write.name.starts_with(FENCE));
    Ok(complete.then_some(writes))
}

//! Hooks as records keep them, with what became of their last run.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json};

use crate::HookEvent;
use crate::manifest;
use crate::time::{self, Time};

/// A hook of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    /// The name of the object.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub name: String,
    /// The `kind`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
    /// The file it was rendered from.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub path: String,
    /// The YAML text.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub manifest: String,
    /// The names of the events that it runs on, see [`Hook::runs_on`].
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub events: Vec<String>,
    /// The last run.
    #[serde(default, deserialize_with = "or_default")]
    pub last_run: Execution,
    /// Hooks of one event run in the order of their weights, lightest first.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_zero")]
    pub weight: i64,
    /// When to delete the object, see [`Hook::is_deleted`].
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub delete_policies: Vec<String>,
    /// When to show the logs of its pods: `hook-succeeded` and `hook-failed`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub output_log_policies: Vec<String>,
    /// Fields that this version does not know; they are written again, and count in no digest.
    #[serde(flatten)]
    pub unknown: Map<String, Json>,
}

/// A run of a hook.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// When it began.
    #[serde(
        default,
        deserialize_with = "time::or_zero",
        skip_serializing_if = "Time::is_zero"
    )]
    pub started_at: Time,
    /// When it ended.
    #[serde(
        default,
        deserialize_with = "time::or_zero",
        skip_serializing_if = "Time::is_zero"
    )]
    pub completed_at: Time,
    /// What became of it.
    #[serde(default, deserialize_with = "or_default")]
    pub phase: Phase,
}

/// What became of a run of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Phase {
    /// Nobody knows.
    Unknown,
    /// It is not over.
    Running,
    /// It went well.
    Succeeded,
    /// It did not.
    Failed,
    /// A state that Helm 4.2 does not have, or none if there was no run.
    Other(String),
}

impl Phase {
    /// The name in records.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown => "Unknown",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Other(name) => name,
        }
    }
}

impl Default for Phase {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl From<String> for Phase {
    fn from(name: String) -> Self {
        match name.as_str() {
            "Unknown" => Self::Unknown,
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            _ => Self::Other(name),
        }
    }
}

impl From<Phase> for String {
    fn from(phase: Phase) -> Self {
        phase.as_str().to_owned()
    }
}

/// When Helm deletes the object of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletePolicy {
    /// Before it is created again.
    BeforeHookCreation,
    /// When its run went well.
    Succeeded,
    /// When its run failed.
    Failed,
}

impl DeletePolicy {
    /// The name in annotations and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeHookCreation => "before-hook-creation",
            Self::Succeeded => "hook-succeeded",
            Self::Failed => "hook-failed",
        }
    }
}

impl Hook {
    /// Whether it runs on an event.
    pub fn runs_on(&self, event: HookEvent) -> bool {
        self.events.iter().any(|name| name == event.name())
    }

    /// Whether its object is deleted on an occasion; objects of the kind `CustomResourceDefinition` never are.
    pub fn is_deleted(&self, policy: DeletePolicy) -> bool {
        self.kind != "CustomResourceDefinition" && has(&self.delete_policies, policy.as_str())
    }

    /// Whether the logs of its pods are shown after a run.
    pub fn shows_logs(&self, phase: &Phase) -> bool {
        match phase {
            Phase::Succeeded => has(&self.output_log_policies, "hook-succeeded"),
            Phase::Failed => has(&self.output_log_policies, "hook-failed"),
            _ => false,
        }
    }

    /// Gives it the policy that holds if it has none. Helm does so when it runs the hook, and the record keeps it.
    pub fn set_default_delete_policy(&mut self) {
        if self.delete_policies.is_empty() {
            self.delete_policies = vec![DeletePolicy::BeforeHookCreation.as_str().to_owned()];
        }
    }
}

fn has(policies: &[String], wanted: &str) -> bool {
    policies.iter().any(|policy| policy == wanted)
}

/// The positions of the hooks that run on an event, in the order in which they run: by weight, then by name.
///
/// A hook that names the event twice runs twice.
pub fn execution_order(hooks: &[Hook], event: HookEvent) -> Vec<usize> {
    let mut order = Vec::new();
    for (at, hook) in hooks.iter().enumerate() {
        let runs = hook.events.iter().filter(|name| *name == event.name());
        order.extend(runs.map(|_| (at, hook)));
    }
    order.sort_by_key(|(_, hook)| (hook.weight, hook.name.as_str()));
    order.into_iter().map(|(at, _)| at).collect()
}

impl From<manifest::Hook> for Hook {
    fn from(hook: manifest::Hook) -> Self {
        Self {
            name: hook.name,
            kind: hook.kind,
            path: hook.path,
            manifest: hook.manifest,
            events: hook.events.iter().map(|event| event.name().to_owned()).collect(),
            last_run: Execution::default(),
            weight: hook.weight,
            delete_policies: hook.delete_policies,
            output_log_policies: hook.output_log_policies,
            unknown: Map::new(),
        }
    }
}

/// Reads null as the default, as Go does.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn is_zero(number: &i64) -> bool {
    *number == 0
}

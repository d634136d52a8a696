//! Waiting as Helm 3 did: by its own rules for built-in kinds, looking every two seconds.

use std::collections::HashMap;
use std::time::Duration;

use controller_kit::object::{name, namespace};
use controller_kit::{Ask, RestError};
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::Cluster;
use super::patience::{Matter, Patience};
use super::readiness::{self, Verdict};
use super::requests;
use super::resource::Resource;
use super::wait::WaitError;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// How often in a row an object may not be readable.
const RETRIES: u32 = 30;

/// What Go says when the time is over.
const DEADLINE: &str = "context deadline exceeded";

/// What watching for hooks says when the time is over.
const TIMED_OUT: &str = "timed out waiting for the condition";

/// An object that cannot be judged.
#[derive(Debug)]
enum Trouble {
    /// The API server does not tell; whether that may pass is known.
    Request(RestError),
    /// It has failed, which upstream does not tell from what may pass.
    Failed(String),
}

impl Trouble {
    fn may_pass(&self) -> bool {
        match self {
            Self::Request(error) => error
                .code()
                .is_none_or(|code| code == 0 || code == 429 || (code >= 500 && code != 501)),
            Self::Failed(_) => true,
        }
    }

    fn into_error(self) -> WaitError {
        WaitError::NotReady(match self {
            Self::Request(error) => error.to_string(),
            Self::Failed(reason) => reason,
        })
    }
}

impl Cluster {
    /// Waits until objects are ready by the rules of Helm 3, Jobs until they have completed if `jobs` says so.
    pub(super) async fn wait_ready_as_before(
        &self,
        resources: &[Resource],
        jobs: bool,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now() + timeout;
        let mut troubles: HashMap<usize, u32> = HashMap::new();
        loop {
            if self.are_ready(resources, jobs, &mut troubles).await? {
                return Ok(());
            }
            pause(deadline, PAUSE, DEADLINE, patience).await?;
        }
    }

    /// Looks at the objects in their order, up to the first that is not ready.
    async fn are_ready(
        &self,
        resources: &[Resource],
        jobs: bool,
        troubles: &mut HashMap<usize, u32>,
    ) -> Result<bool, WaitError> {
        for (at, resource) in resources.iter().enumerate() {
            match self.is_ready(resource, jobs).await {
                Ok(is_ready) => {
                    troubles.remove(&at);
                    if !is_ready {
                        return Ok(false);
                    }
                }
                Err(trouble) if trouble.may_pass() => {
                    let count = troubles.entry(at).or_default();
                    *count += 1;
                    return if *count > RETRIES {
                        Err(trouble.into_error())
                    } else {
                        Ok(false)
                    };
                }
                Err(trouble) => return Err(trouble.into_error()),
            }
        }
        Ok(true)
    }

    async fn is_ready(&self, resource: &Resource, jobs: bool) -> Result<bool, Trouble> {
        let mapping = &resource.mapping;
        let kind = (&*mapping.group, &*mapping.version, &*mapping.kind);
        let Some(rule) = readiness::rule(kind, jobs) else {
            return Ok(true);
        };
        let live = requests::get(&self.rest, &resource.at())
            .await
            .map_err(Trouble::Request)?;
        let Some(live) = live else {
            return Err(Trouble::Request(not_found(resource)));
        };
        match rule(&live) {
            Verdict::Ready => Ok(true),
            Verdict::NotReady => Ok(false),
            Verdict::Failed => Err(Trouble::Failed(format!(
                "job is failed: {}/{}",
                namespace(&live),
                name(&live)
            ))),
            Verdict::IfReplicaSetsAre => {
                let sets = self.selected(&live, "apps/v1", "replicasets").await?;
                Ok(readiness::is_rolled_out(&live, &sets))
            }
            Verdict::IfPodsAre => {
                let pods = self.selected(&live, "v1", "pods").await?;
                Ok(pods.iter().all(readiness::is_pod_ready))
            }
        }
    }

    /// Lists the objects that an object selects.
    async fn selected(&self, object: &Value, version: &str, plural: &str) -> Result<Vec<Value>, Trouble> {
        let root = if version.contains('/') { "apis" } else { "api" };
        let selector = readiness::selector(object);
        let selector = percent_encoding::utf8_percent_encode(&selector, percent_encoding::NON_ALPHANUMERIC);
        let namespace = namespace(object);
        let path = format!("/{root}/{version}/namespaces/{namespace}/{plural}?labelSelector={selector}");
        let list = self.rest.ask(&Ask::new(Method::GET, &path)).await;
        let mut list = list.map_err(Trouble::Request)?;
        let items = list.get_mut("items").map(Value::take);
        Ok(match items {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        })
    }

    /// Waits until the Jobs and Pods of a hook have done their work.
    pub(super) async fn wait_finished_as_before(
        &self,
        resources: &[Resource],
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        let mut errors = Vec::new();
        for resource in resources {
            let mapping = &resource.mapping;
            let is_job = match (&*mapping.group, &*mapping.kind) {
                ("batch", "Job") => true,
                ("", "Pod") => false,
                _ => continue,
            };
            let waited = self.wait_one_finished(resource, is_job, timeout, patience).await;
            match waited {
                Err(error @ WaitError::Canceled(_)) => return Err(error),
                Err(error) => errors.push(error.to_string()),
                Ok(()) => {}
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(WaitError::NotReady(errors.join("\n")))
        }
    }

    async fn wait_one_finished(
        &self,
        resource: &Resource,
        is_job: bool,
        timeout: Duration,
        patience: &mut Patience<'_>,
    ) -> Result<(), WaitError> {
        let deadline = Instant::now() + timeout;
        loop {
            let live = requests::get(&self.rest, &resource.at()).await;
            match live {
                // That it is gone is the end of it.
                Ok(None) => return Ok(()),
                Ok(Some(live)) => match readiness::work(&live, is_job) {
                    Some(Ok(())) => return Ok(()),
                    Some(Err(reason)) => return Err(WaitError::NotReady(reason)),
                    None => {}
                },
                Err(error) => tracing::debug!(%error, "a hook cannot be looked at"),
            }
            pause(deadline, PAUSE / 2, TIMED_OUT, patience).await?;
        }
    }
}

/// Pauses until it is time for the next look, if there is any.
async fn pause(
    deadline: Instant,
    pause: Duration,
    over: &str,
    patience: &mut Patience<'_>,
) -> Result<(), WaitError> {
    let now = Instant::now();
    if now >= deadline {
        return Err(WaitError::NotReady(over.to_owned()));
    }
    let until = (now + pause).min(deadline);
    patience
        .wait(Matter::Else, tokio::time::sleep_until(until))
        .await?;
    if Instant::now() >= deadline {
        return Err(WaitError::NotReady(over.to_owned()));
    }
    Ok(())
}

fn not_found(resource: &Resource) -> RestError {
    let plural = &resource.mapping.plural;
    let kind = if resource.mapping.group.is_empty() {
        plural.clone()
    } else {
        format!("{plural}.{}", resource.mapping.group)
    };
    let name = gotmpl::quote(resource.name.as_bytes());
    let message = format!("{kind} {name} not found");
    let status = kube::core::Status::failure(&message, "NotFound").with_code(404);
    RestError::Api(Box::new(status))
}

//! Hooks: objects that are created at points of a release's life, and whose work is waited for.

use helm::HookEvent;
use helm::release::{DeletePolicy, Execution, Hook, Phase, Release, execution_order};

use super::config::Waiting;
use super::error::{ActionError, During as _};
use super::{Actions, now};
use crate::cluster::{ApplyError, Method, Propagation};

/// What is left to do when the hooks of an event have run: to delete those that are not kept.
#[derive(Debug)]
pub(super) enum Aftermath {
    /// Nothing, because none has failed in its work.
    None,
    /// The hooks at these positions went well.
    Succeeded(Vec<usize>),
    /// The hook at a position failed, those before it went well.
    Failed { at: usize, before: Vec<usize> },
}

impl Actions<'_> {
    /// Runs the hooks of an event, and deletes those that are not kept.
    pub(super) async fn exec_hooks(
        &mut self,
        release: &mut Release,
        event: HookEvent,
        waiting: Waiting,
        server_side: bool,
    ) -> Result<(), ActionError> {
        let (aftermath, result) = self.run_hooks(release, event, waiting, server_side).await;
        // What goes wrong with hooks that had gone well is what Helm tells of then.
        self.clean_up_hooks(release, aftermath, waiting).await?;
        result
    }

    /// Runs the hooks of an event.
    pub(super) async fn run_hooks(
        &mut self,
        release: &mut Release,
        event: HookEvent,
        waiting: Waiting,
        server_side: bool,
    ) -> (Aftermath, Result<(), ActionError>) {
        let order = execution_order(&release.hooks, event);
        for (done, at) in order.iter().copied().enumerate() {
            let (worked, result) = self.run_hook(release, at, event, waiting, server_side).await;
            if let Err(error) = result {
                let before = order.get(..done).unwrap_or_default().to_vec();
                let aftermath = if worked {
                    Aftermath::Failed { at, before }
                } else {
                    Aftermath::None
                };
                return (aftermath, Err(error));
            }
        }
        (Aftermath::Succeeded(order), Ok(()))
    }

    /// Runs the hook at a position; tells whether it got as far as to work.
    async fn run_hook(
        &mut self,
        release: &mut Release,
        at: usize,
        event: HookEvent,
        waiting: Waiting,
        server_side: bool,
    ) -> (bool, Result<(), ActionError>) {
        if let Err(error) = self.go_on() {
            return (false, Err(error));
        }
        let Some(hook) = release.hooks.get_mut(at) else {
            return (false, Ok(()));
        };
        hook.set_default_delete_policy();
        let (hook, namespace) = (hook.clone(), release.namespace.clone());
        let policy = DeletePolicy::BeforeHookCreation;
        if let Err(error) = self.delete_hook(&hook, &namespace, policy, waiting).await {
            return (false, Err(error));
        }
        let unbuilt = || {
            format!(
                "unable to build kubernetes object for {} hook {}",
                event.name(),
                hook.path
            )
        };
        let mut resources = match self.build(&hook.manifest, &namespace).await.during(unbuilt) {
            Ok(resources) => resources,
            Err(error) => return (false, Err(error)),
        };
        set_run(release, at, |run| {
            *run = Execution {
                started_at: now(),
                phase: Phase::Running,
                ..Execution::default()
            };
        });
        self.record(release).await;
        set_run(release, at, |run| run.phase = Phase::Unknown);
        let ended = |release: &mut Release, phase: Phase| {
            set_run(release, at, |run| {
                run.completed_at = now();
                run.phase = phase;
            });
        };
        let method = Method::creating(server_side);
        let created = self
            .cluster
            .create(&mut resources, method, &self.log, &mut self.patience)
            .await;
        if let Err(error) = created {
            ended(release, Phase::Failed);
            let failed = || format!("warning: Hook {} {} failed", event.name(), hook.path);
            return (false, Err::<(), _>(error).during(failed));
        }
        let (cluster, patience) = (self.cluster, &mut self.patience);
        let waited = cluster
            .wait_finished(&resources, waiting.strategy, waiting.timeout, patience)
            .await;
        match waited {
            Ok(()) => {
                ended(release, Phase::Succeeded);
                (true, Ok(()))
            }
            Err(error) => {
                ended(release, Phase::Failed);
                self.output_logs(&hook, &namespace, &Phase::Failed).await;
                (true, Err(error.into()))
            }
        }
    }

    /// Deletes the hooks that are not kept after they ran like that.
    pub(super) async fn clean_up_hooks(
        &mut self,
        release: &Release,
        aftermath: Aftermath,
        waiting: Waiting,
    ) -> Result<(), ActionError> {
        let namespace = &release.namespace;
        match aftermath {
            Aftermath::None => Ok(()),
            Aftermath::Succeeded(order) => {
                for hook in order.iter().rev().filter_map(|at| release.hooks.get(*at)) {
                    self.output_logs(hook, namespace, &Phase::Succeeded).await;
                    self.delete_hook(hook, namespace, DeletePolicy::Succeeded, waiting)
                        .await?;
                }
                Ok(())
            }
            Aftermath::Failed { at, before } => {
                if let Some(hook) = release.hooks.get(at) {
                    let policy = DeletePolicy::Failed;
                    if let Err(error) = self.delete_hook(hook, namespace, policy, waiting).await {
                        tracing::warn!(hook = hook.path, %error, "a hook that failed could not be deleted");
                    }
                }
                for hook in before.iter().filter_map(|at| release.hooks.get(*at)) {
                    self.delete_hook(hook, namespace, DeletePolicy::Succeeded, waiting)
                        .await?;
                }
                Ok(())
            }
        }
    }

    /// Deletes the objects of a hook if that is its policy, and waits until they are gone.
    async fn delete_hook(
        &mut self,
        hook: &Hook,
        namespace: &str,
        policy: DeletePolicy,
        waiting: Waiting,
    ) -> Result<(), ActionError> {
        if !hook.is_deleted(policy) {
            return Ok(());
        }
        let unbuilt = || {
            format!(
                "unable to build kubernetes object for deleting hook {}",
                hook.path
            )
        };
        let resources = self.build(&hook.manifest, namespace).await.during(unbuilt)?;
        self.go_on()?;
        let deleted = self
            .cluster
            .delete(&resources, Propagation::Background, &self.log, &mut self.patience)
            .await;
        let left = deleted.map_err(|errors| join(errors, "; "))?;
        self.wait_gone(&left, waiting).await
    }
}

fn set_run(release: &mut Release, at: usize, set: impl FnOnce(&mut Execution)) {
    if let Some(hook) = release.hooks.get_mut(at) {
        set(&mut hook.last_run);
    }
}

/// Several errors as one.
pub(super) fn join(errors: Vec<ApplyError>, separator: &'static str) -> ActionError {
    ActionError::Several {
        errors: errors.into_iter().map(ActionError::Apply).collect(),
        separator,
    }
}

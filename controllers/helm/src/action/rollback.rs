//! `helm rollback`.

use helm::HookEvent;
use helm::release::{CLIENT_SIDE, Info, Release, SERVER_SIDE, Status};

use super::config::Rollback;
use super::error::{ActionError, During as _};
use super::hooks::join;
use super::upgrade::is_server_side;
use super::{Actions, now};
use crate::cluster::{Method, Propagation, Resource, set_owner};
use crate::storage::StorageError;

impl Actions<'_> {
    /// Makes a new revision of what an earlier one was.
    ///
    /// # Errors
    /// It did not come to that. If [`Actions::written`] is not empty then, there is a revision that failed.
    pub async fn rollback(&mut self, rollback: &Rollback) -> Result<(), ActionError> {
        self.reach().await?;
        self.forget_gone_kinds().await;
        let name = &rollback.name;
        self.log.debug("preparing rollback", &[("name", name)]);
        let (mut current, mut target) = self.prepare_rollback(rollback).await?;
        self.log.debug("creating rolled back release", &[("name", name)]);
        self.storage.create(&target, rollback.max_history).await?;
        self.log.debug("performing rollback", &[("name", name)]);
        self.perform_rollback(rollback, &mut current, &mut target).await?;
        self.log
            .debug("updating status for rolled back release", &[("name", name)]);
        Ok(self.storage.update(&target).await?)
    }

    /// Finds the last revision, and makes the next one of the earlier one.
    async fn prepare_rollback(&self, rollback: &Rollback) -> Result<(Release, Release), ActionError> {
        let name = &rollback.name;
        if helm::validate_release_name(name).is_err() {
            return Err(ActionError::Name(format!("is invalid: {name}")))
                .during(|| "prepareRollback".to_owned());
        }
        let current = self.storage.last(name).await?.ok_or(StorageError::NotFound)?;
        let version = match rollback.version {
            0 => current.version - 1,
            version if version < 0 => return Err(ActionError::Version),
            version => version,
        };
        let previous = self.storage.get(name, version).await?;
        let previous = previous.ok_or(ActionError::NoVersion(version))?;
        self.log.debug(
            "rolling back",
            &[
                ("currentVersion", &current.version),
                ("name", name),
                ("targetVersion", &version),
            ],
        );
        let server_side = is_server_side(rollback.server_side, &previous);
        let target = Release {
            name: name.clone(),
            namespace: current.namespace.clone(),
            info: Info {
                first_deployed: current.info.first_deployed,
                last_deployed: now(),
                status: Status::PendingRollback,
                notes: previous.info.notes,
                description: format!("Rollback to {version}"),
                ..Info::default()
            },
            version: current.version + 1,
            apply_method: if server_side { SERVER_SIDE } else { CLIENT_SIDE }.to_owned(),
            chart: previous.chart,
            config: previous.config,
            manifest: previous.manifest,
            hooks: previous.hooks,
            labels: previous.labels,
            ..Release::default()
        };
        Ok((current, target))
    }

    async fn perform_rollback(
        &mut self,
        rollback: &Rollback,
        current: &mut Release,
        target: &mut Release,
    ) -> Result<(), ActionError> {
        let namespace = target.namespace.clone();
        let originals = self.build(&current.manifest.read(), &namespace).await;
        let originals = originals
            .during(|| "unable to build kubernetes objects from current release manifest".to_owned())?;
        let targets = self.build(&target.manifest.read(), &namespace).await;
        let mut targets =
            targets.during(|| "unable to build kubernetes objects from new release manifest".to_owned())?;
        let (waiting, server_side) = (rollback.waiting, target.is_server_side());
        if rollback.disable_hooks {
            self.log
                .debug("rollback hooks disabled", &[("name", &target.name)]);
        } else {
            self.exec_hooks(target, HookEvent::PreRollback, waiting, server_side)
                .await?;
        }
        self.go_on()?;
        set_owner(&mut targets, &target.name, &namespace);
        let method = Method::changing(server_side, rollback.force);
        let (updated, result) = self
            .cluster
            .update(
                &originals,
                &mut targets,
                method,
                true,
                &self.log,
                &mut self.patience,
            )
            .await;
        if let Err(error) = result {
            return Err(self
                .fail_rollback(rollback, current, target, updated.created, error.into())
                .await);
        }
        drop((originals, updated));
        if let Err(error) = self.wait_ready(targets, waiting).await {
            target.info.status = Status::Failed;
            let name = gotmpl::quote(target.name.as_bytes());
            target.info.description = format!("Release {name} failed: {error}");
            self.record(current).await;
            self.record(target).await;
            return Err(error).during(|| format!("release {} failed", target.name));
        }
        if !rollback.disable_hooks {
            self.exec_hooks(target, HookEvent::PostRollback, waiting, server_side)
                .await?;
        }
        self.supersede_deployed(&current.name).await?;
        target.info.status = Status::Deployed;
        Ok(())
    }

    async fn fail_rollback(
        &mut self,
        rollback: &Rollback,
        current: &mut Release,
        target: &mut Release,
        created: Vec<Resource>,
        error: ActionError,
    ) -> ActionError {
        let message = format!(
            "Rollback {} failed: {error}",
            gotmpl::quote(target.name.as_bytes())
        );
        self.log.warn(&message, &[]);
        current.info.status = Status::Superseded;
        target.info.status = Status::Failed;
        target.info.description = message;
        self.record(current).await;
        self.record(target).await;
        if !rollback.cleanup_on_fail || self.go_on().is_err() {
            return error;
        }
        self.log.debug(
            "cleanup on fail set, cleaning up resources",
            &[("count", &created.len())],
        );
        let cleaned = self
            .cluster
            .delete(&created, Propagation::Background, &self.log, &mut self.patience)
            .await;
        let Err(errors) = cleaned else {
            self.log.debug("resource cleanup complete", &[]);
            return error;
        };
        ActionError::During {
            context: "an error occurred while cleaning up resources. original rollback error: unable to cleanup resources"
                .to_owned(),
            error: Box::new(join(errors, ", ")),
        }
    }
}

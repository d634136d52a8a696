//! `helm uninstall`.

use controller_kit::RestError;
use helm::HookEvent;
use helm::release::{Release, Status};

use super::config::Uninstall;
use super::error::{ActionError, During as _};
use super::{Actions, now};
use crate::cluster::{ApplyError, Cause, Document, Resource};
use crate::machine::UninstallResult;
use crate::storage::StorageError;

/// An uninstall that came to an end: of which release, and what went wrong on the way.
type Ended = (Release, Result<(), ActionError>);

impl Actions<'_> {
    /// Uninstalls the last revision of a release, and forgets all of them unless they are to be kept.
    pub async fn uninstall(&mut self, uninstall: &Uninstall) -> UninstallResult {
        match self.try_uninstall(uninstall).await {
            Ok((release, Ok(()))) => {
                UninstallResult::Done(Some((release.namespace, release.name, release.version)))
            }
            Ok((_, Err(error))) => UninstallResult::Failed(error.to_string()),
            Err(error @ ActionError::Storage(StorageError::NotFound)) => UninstallResult::NotFound(format!(
                "uninstall: Release not loaded: {}: {error}",
                uninstall.name
            )),
            Err(error @ ActionError::AlreadyDeleted(_)) => UninstallResult::AlreadyDeleted(error.to_string()),
            Err(error) => UninstallResult::Failed(error.to_string()),
        }
    }

    async fn try_uninstall(&mut self, uninstall: &Uninstall) -> Result<Ended, ActionError> {
        let name = &uninstall.name;
        self.reach().await?;
        if helm::validate_release_name(name).is_err() {
            return Err(ActionError::Name(format!("is invalid: {name}"))).during(|| "uninstall".to_owned());
        }
        self.forget_gone_kinds().await;
        let versions = self.storage.versions(name).await;
        let versions = versions.during(|| format!("uninstall: Release not loaded: {name}"))?;
        let last = self.storage.last(name).await;
        let Some(mut release) = last.during(|| format!("uninstall: Release not loaded: {name}"))? else {
            return Err(StorageError::NotFound.into());
        };
        if release.info.status == Status::Uninstalled {
            if uninstall.keep_history {
                return Err(ActionError::AlreadyDeleted(name.clone()));
            }
            self.purge(name, &versions)
                .await
                .during(|| "uninstall: Failed to purge the release".to_owned())?;
            return Ok((release, Ok(())));
        }
        self.log.debug("uninstall: deleting release", &[("name", name)]);
        release.info.status = Status::Uninstalling;
        release.info.deleted = now();
        "Deletion in progress (or silently failed)".clone_into(&mut release.info.description);
        let waiting = uninstall.waiting;
        if uninstall.disable_hooks {
            self.log.debug("delete hooks disabled", &[("release", name)]);
        } else {
            let ran = self
                .exec_hooks(&mut release, HookEvent::PreDelete, waiting, true)
                .await;
            if ran.is_err() {
                return Ok((release, ran));
            }
        }
        self.record(&release).await;
        self.go_on()?;
        let deleted = self.delete_objects(&release, uninstall).await?;
        let mut errors = Vec::new();
        errors.extend(self.wait_gone(&deleted, waiting).await.err());
        if !uninstall.disable_hooks {
            let ran = self
                .exec_hooks(&mut release, HookEvent::PostDelete, waiting, true)
                .await;
            errors.extend(ran.err());
        }
        release.info.status = Status::Uninstalled;
        "Uninstallation complete".clone_into(&mut release.info.description);
        if uninstall.keep_history {
            self.record(&release).await;
            self.supersede_deployed(name).await?;
        } else {
            self.log.debug("purge requested", &[("release", name)]);
            let purged = self.purge(name, &versions).await;
            errors.extend(
                purged
                    .during(|| "uninstall: Failed to purge the release".to_owned())
                    .err(),
            );
        }
        Ok((release, completed(errors)))
    }

    /// Deletes the objects of a release; gives those that are about to be gone.
    ///
    /// Those of a document with another policy than Helm knows are neither deleted nor kept, which is the same.
    async fn delete_objects(
        &mut self,
        release: &Release,
        uninstall: &Uninstall,
    ) -> Result<Vec<Resource>, ActionError> {
        let failed = || ActionError::Delete(uninstall.name.clone());
        let (mapper, manifest) = (&self.cluster.mapper, release.manifest.read());
        let is_deleted = |document: &Document| !document.has_policy;
        let built = Resource::build_some(mapper, &manifest, &release.namespace, is_deleted).await;
        let mut resources = built.map_err(|error| {
            let error = ActionError::Corrupted(error);
            // Go's list of one error of which nothing can be seen.
            let hidden = Cause::Answers(&[None]);
            self.log
                .debug_error("uninstall: Failed to delete release", &[], hidden);
            tracing::warn!(release = uninstall.name, %error, "uninstall: Failed to delete release");
            failed()
        })?;
        resources.sort_by_cached_key(|resource| uninstall_rank(&resource.mapping.kind));
        if resources.is_empty() {
            return Ok(resources);
        }
        let deleted = self
            .cluster
            .delete(&resources, uninstall.propagation, &self.log, &mut self.patience)
            .await;
        deleted.map_err(|errors| {
            for error in &errors {
                tracing::warn!(release = uninstall.name, %error, "uninstall: Failed to delete release");
            }
            let answers: Vec<Option<&RestError>> = errors.iter().map(ApplyError::answer).collect();
            let answers = Cause::Answers(&answers);
            self.log
                .debug_error("uninstall: Failed to delete release", &[], answers);
            failed()
        })
    }

    async fn purge(&mut self, name: &str, versions: &[i64]) -> Result<(), StorageError> {
        for version in versions {
            match self.storage.delete(name, *version).await {
                Ok(()) | Err(StorageError::NotFound) => {}
                // Helm leaves it behind, where it would be in the way of the next release of that name.
                Err(StorageError::Decode { .. }) => self.storage.delete_unread(name, *version).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What two at once left behind as deployed is not any more.
    pub(super) async fn supersede_deployed(&mut self, name: &str) -> Result<(), ActionError> {
        for mut release in self.storage.all_deployed(name).await? {
            self.log.debug(
                "superseding previous deployment",
                &[("version", &release.version)],
            );
            release.info.status = Status::Superseded;
            self.record(&release).await;
        }
        Ok(())
    }
}

fn completed(errors: Vec<ActionError>) -> Result<(), ActionError> {
    if errors.is_empty() {
        return Ok(());
    }
    let count = errors.len();
    Err(ActionError::Several {
        errors,
        separator: "; ",
    })
    .during(|| format!("uninstallation completed with {count} error(s)"))
}

/// Where a kind stands in the order in which Helm deletes.
fn uninstall_rank(kind: &str) -> (usize, String) {
    match UNINSTALL_ORDER.iter().position(|known| *known == kind) {
        Some(rank) => (rank, String::new()),
        None => (UNINSTALL_ORDER.len(), kind.to_owned()),
    }
}

/// The kinds in the order in which Helm deletes them: what admits others goes before what it admits.
const UNINSTALL_ORDER: [&str; 38] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBindingList",
    "RoleBinding",
    "RoleList",
    "Role",
    "ClusterRoleBindingList",
    "ClusterRoleBinding",
    "ClusterRoleList",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "SecretList",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_goes_last() {
        let mut kinds = ["Widget", "Secret", "Gadget", "Service", "Namespace"];
        kinds.sort_by_cached_key(|kind| uninstall_rank(kind));
        assert_eq!(kinds, ["Service", "Secret", "Namespace", "Gadget", "Widget"]);
        let known = helm::INSTALL_ORDER.iter();
        assert!(known.clone().all(|kind| UNINSTALL_ORDER.contains(kind)));
    }
}

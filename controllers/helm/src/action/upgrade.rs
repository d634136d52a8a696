//! `helm upgrade`.

use std::collections::{BTreeMap, HashSet};

use helm::release::{CLIENT_SIDE, Release, SERVER_SIDE, Status};
use helm::{Capabilities, HookEvent, KubeVersion};

use super::config::{ServerSide, Upgrade};
use super::error::{ActionError, During as _};
use super::hooks::join;
use super::{Actions, Wanted};
use crate::cluster::{Adoption, Method, Propagation, Resource, set_owner};
use crate::storage::StorageError;

/// An upgrade that is prepared.
struct Prepared {
    /// The revision that it rests on.
    current: Release,
    /// The revision that it makes.
    release: Release,
    /// The objects of that.
    targets: Vec<Resource>,
}

impl Actions<'_> {
    /// Upgrades a release.
    ///
    /// # Errors
    /// It could not be upgraded. If [`Actions::written`] is not empty then, there is a revision that failed.
    pub async fn upgrade(&mut self, upgrade: &Upgrade, wanted: &Wanted<'_>) -> Result<Release, ActionError> {
        let last = self.last_for_upgrade(&upgrade.name).await?;
        let server_side = is_server_side(upgrade.server_side, &last);
        let strategy = upgrade.waiting.strategy;
        let (crds, origin) = (upgrade.crds, &upgrade.origin);
        self.apply_crds(wanted, crds, origin, &upgrade.namespace, server_side, strategy)
            .await
            .during(|| "failed to apply CustomResourceDefinitions".to_owned())?;
        let version = self.reach().await?;
        self.log.debug("preparing upgrade", &[("name", &upgrade.name)]);
        let Prepared {
            mut current,
            mut release,
            targets,
        } = self
            .prepare_upgrade(upgrade, wanted, last, server_side, version)
            .await?;
        self.log.debug("performing update", &[("name", &upgrade.name)]);
        let objects = self
            .resources_of_upgrade(upgrade, &current, &release, targets)
            .await?;
        self.log
            .debug("creating upgraded release", &[("name", &upgrade.name)]);
        self.storage.create(&release, upgrade.max_history).await?;
        let mut created = Vec::new();
        let performed = self
            .perform_upgrade(upgrade, &mut current, &mut release, objects, &mut created)
            .await;
        match performed {
            Ok(()) => {
                self.log
                    .debug("updating status for upgraded release", &[("name", &upgrade.name)]);
                self.storage.update(&release).await?;
                Ok(release)
            }
            Err(error) => Err(self.fail_upgrade(upgrade, release, created, error).await),
        }
    }

    /// Reads the revision that is the last one when an upgrade begins.
    async fn last_for_upgrade(&self, name: &str) -> Result<Release, ActionError> {
        let last = self.storage.last(name).await?;
        Ok(last.ok_or_else(|| StorageError::NoneDeployed(name.to_owned()))?)
    }

    async fn prepare_upgrade(
        &mut self,
        upgrade: &Upgrade,
        wanted: &Wanted<'_>,
        last: Release,
        server_side: bool,
        kube_version: KubeVersion,
    ) -> Result<Prepared, ActionError> {
        if helm::validate_release_name(&upgrade.name).is_err() {
            return Err(ActionError::Name(format!("is invalid: {}", upgrade.name)));
        }
        if last.info.status.is_pending() {
            return Err(ActionError::Pending);
        }
        let (labels, apply_method) = (inherited_labels(&last), last.apply_method.clone());
        let version = last.version + 1;
        let current = self.current(&upgrade.name, last).await?;
        self.log.debug(
            if upgrade.reuse_values {
                "reusing the old release's values"
            } else {
                "resetting values to the chart's original version"
            },
            &[],
        );
        let revision = helm::Release {
            name: upgrade.name.clone(),
            namespace: current.namespace.clone(),
            revision: version,
            is_upgrade: true,
        };
        let method = if server_side { SERVER_SIDE } else { CLIENT_SIDE };
        let capabilities = self.capabilities(kube_version).await?;
        let mut release = self
            .render_revision(upgrade, wanted, &current, revision, capabilities, method)
            .await?;
        self.log.debug(
            "determined release apply method",
            &[
                ("server_side_apply", &server_side),
                ("previous_release_apply_method", &apply_method),
            ],
        );
        release.labels = labels;
        release.info.first_deployed = current.info.first_deployed;
        release.info.status = Status::PendingUpgrade;
        "Preparing upgrade".clone_into(&mut release.info.description);
        let targets = self.build(&release.manifest.read(), &release.namespace).await?;
        Ok(Prepared {
            current,
            release,
            targets,
        })
    }

    /// Renders a revision, which rests on `current`, and makes a record of it.
    async fn render_revision(
        &self,
        upgrade: &Upgrade,
        wanted: &Wanted<'_>,
        current: &Release,
        revision: helm::Release,
        capabilities: Capabilities,
        method: &str,
    ) -> Result<Release, ActionError> {
        let reused = upgrade
            .reuse_values
            .then(|| current.reuse_values(wanted.values, wanted.limits));
        let reused = reused.transpose().map_err(ActionError::Reuse)?;
        let (chart, values);
        let wanted = match reused {
            None => *wanted,
            Some(reused) => {
                (chart, values) = (wanted.chart.with_values(reused.defaults), reused.values);
                Wanted {
                    chart: &chart,
                    values: &values,
                    ..*wanted
                }
            }
        };
        let revision = self
            .render(&wanted, revision, &upgrade.rendering, capabilities)
            .await;
        let revision = revision.map_err(without_context)?;
        revision.into_record(&wanted, upgrade.crds, method)
    }

    /// Renders a stored revision once more, of a chart and values, as an upgrade would; nothing is written.
    pub(crate) async fn render_like(
        &self,
        stored: &Release,
        is_upgrade: bool,
        upgrade: &Upgrade,
        wanted: &Wanted<'_>,
    ) -> Result<Release, ActionError> {
        let kube_version = self.cluster.discovery.reachable().await?;
        let capabilities = self.cluster.capabilities(kube_version).await?;
        let revision = helm::Release {
            name: stored.name.clone(),
            namespace: stored.namespace.clone(),
            revision: stored.version,
            is_upgrade,
        };
        let method = &stored.apply_method;
        self.render_revision(upgrade, wanted, stored, revision, capabilities, method)
            .await
    }

    /// Finds the revision whose objects are in the cluster.
    async fn current(&self, name: &str, last: Release) -> Result<Release, ActionError> {
        if last.info.status == Status::Deployed {
            return Ok(last);
        }
        match self.storage.deployed(name).await? {
            Some(deployed) => Ok(deployed),
            None if matches!(last.info.status, Status::Failed | Status::Superseded) => Ok(last),
            None => Err(StorageError::NoneDeployed(name.to_owned()).into()),
        }
    }

    /// Builds the objects of the current revision and completes those of the new one; what is new there but in the cluster
    /// already counts as old, too.
    async fn resources_of_upgrade(
        &self,
        upgrade: &Upgrade,
        current: &Release,
        release: &Release,
        mut targets: Vec<Resource>,
    ) -> Result<(Vec<Resource>, Vec<Resource>), ActionError> {
        let namespace = &release.namespace;
        let originals = self.build(&current.manifest.read(), namespace).await;
        let mut originals = originals
            .during(|| "unable to build kubernetes objects from current release manifest".to_owned())?;
        set_owner(&mut targets, &release.name, namespace);
        if release.is_server_side() {
            // What was applied is compared with by the server.
            originals.iter_mut().for_each(Resource::forget_content);
        }
        let known: HashSet<String> = originals.iter().map(key).collect();
        let new = targets.iter().filter(|target| !known.contains(&key(target)));
        let new: Vec<Resource> = new.cloned().collect();
        let adoption = if upgrade.take_ownership {
            Adoption::Any
        } else {
            Adoption::Own(&release.name, namespace)
        };
        let adopted = self.cluster.adopt(&new, adoption).await;
        originals.extend(adopted.during(|| "unable to continue with update".to_owned())?);
        Ok((originals, targets))
    }

    async fn perform_upgrade(
        &mut self,
        upgrade: &Upgrade,
        current: &mut Release,
        release: &mut Release,
        (originals, mut targets): (Vec<Resource>, Vec<Resource>),
        created: &mut Vec<Resource>,
    ) -> Result<(), ActionError> {
        let (waiting, server_side) = (upgrade.waiting, release.is_server_side());
        if upgrade.disable_hooks {
            self.log
                .debug("upgrade hooks disabled", &[("name", &upgrade.name)]);
        } else {
            self.exec_hooks(release, HookEvent::PreUpgrade, waiting, server_side)
                .await
                .during(|| "pre-upgrade hooks failed".to_owned())?;
        }
        self.go_on()?;
        let upgrades_managers = server_side && !current.is_server_side();
        let method = Method::changing(server_side, upgrade.force);
        let (updated, result) = self
            .cluster
            .update(
                &originals,
                &mut targets,
                method,
                upgrades_managers,
                &self.log,
                &mut self.patience,
            )
            .await;
        drop(originals);
        if upgrade.cleanup_on_fail {
            *created = updated.created;
        }
        let applied = match result {
            Ok(()) => self.wait_ready(targets, waiting).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = applied {
            self.record(current).await;
            return Err(error);
        }
        if !upgrade.disable_hooks {
            self.exec_hooks(release, HookEvent::PostUpgrade, waiting, server_side)
                .await
                .during(|| "post-upgrade hooks failed".to_owned())?;
        }
        current.info.status = Status::Superseded;
        self.record(current).await;
        release.info.status = Status::Deployed;
        "Upgrade complete".clone_into(&mut release.info.description);
        Ok(())
    }

    async fn fail_upgrade(
        &mut self,
        upgrade: &Upgrade,
        mut release: Release,
        created: Vec<Resource>,
        error: ActionError,
    ) -> ActionError {
        self.log.warn("upgrade failed", &[("name", &release.name)]);
        release.info.status = Status::Failed;
        release.info.description = format!(
            "Upgrade {} failed: {error}",
            gotmpl::quote(release.name.as_bytes())
        );
        self.record(&release).await;
        if !upgrade.cleanup_on_fail || created.is_empty() || self.go_on().is_err() {
            return error;
        }
        self.log
            .debug("cleanup on fail set", &[("cleaning_resources", &created.len())]);
        let cleaned = self
            .cluster
            .delete(&created, Propagation::Background, &self.log, &mut self.patience)
            .await;
        let Err(errors) = cleaned else {
            self.log.debug("resource cleanup complete", &[]);
            return error;
        };
        ActionError::During {
            context: format!(
                "an error occurred while cleaning up resources. original upgrade error: {error}: unable to cleanup resources"
            ),
            error: Box::new(join(errors, ", ")),
        }
    }
}

/// Whether objects are applied on the server side when an action rests on a release.
pub(super) fn is_server_side(wanted: ServerSide, release: &Release) -> bool {
    match wanted {
        ServerSide::Auto => release.is_server_side(),
        ServerSide::Enabled => true,
        ServerSide::Disabled => false,
    }
}

/// The labels of the last record, but those that are to be dropped.
fn inherited_labels(last: &Release) -> BTreeMap<String, String> {
    let labels = last.labels.iter().filter(|(_, value)| *value != "null");
    labels.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// An object of one version of its kind.
fn key(resource: &Resource) -> String {
    format!(
        "{}/{}/{}/{}",
        resource.mapping.api_version(),
        resource.mapping.kind,
        resource.namespace,
        resource.name
    )
}

/// An upgrade does not say that dependencies are what failed.
fn without_context(error: ActionError) -> ActionError {
    match error {
        ActionError::Render(helm::RenderError::Dependencies(error)) => error.into(),
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_follows_the_release_unless_it_is_said() {
        let with = |method: &str| Release {
            apply_method: method.to_owned(),
            ..Release::default()
        };
        for (wanted, expected) in [
            (ServerSide::Auto, [true, false, false]),
            (ServerSide::Enabled, [true, true, true]),
            (ServerSide::Disabled, [false, false, false]),
        ] {
            let found = [SERVER_SIDE, CLIENT_SIDE, ""].map(|method| is_server_side(wanted, &with(method)));
            assert_eq!(found, expected, "{wanted:?}");
        }
    }

    #[test]
    fn labels_are_inherited_unless_they_are_null() {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let last = Release {
            labels: BTreeMap::from([label("createdAt", "1"), label("team", "null")]),
            ..Release::default()
        };
        assert_eq!(inherited_labels(&last), BTreeMap::from([label("createdAt", "1")]));
    }
}

//! `helm install`.

use helm::HookEvent;
use helm::release::{CLIENT_SIDE, Release, SERVER_SIDE, Status};
use serde_json::json;

use super::config::Install;
use super::error::{ActionError, During as _};
use super::{Actions, Wanted};
use crate::cluster::{Adoption, ApplyError, Method, Resource, set_owner};

impl Actions<'_> {
    /// Installs a chart.
    ///
    /// # Errors
    /// It could not be installed. If [`Actions::written`] is not empty then, there is a release that failed.
    pub async fn install(&mut self, install: &Install, wanted: &Wanted<'_>) -> Result<Release, ActionError> {
        let (name, namespace) = (&install.name, &install.namespace);
        self.apply_crds(
            wanted,
            install.crds,
            &install.origin,
            namespace,
            install.server_side,
            install.waiting.strategy,
        )
        .await
        .during(|| "failed to apply CustomResourceDefinitions".to_owned())?;
        let version = self.reach().await;
        let unreachable = || self.log.error("cluster reachability check failed");
        let version = version
            .inspect_err(|_| unreachable())
            .during(|| "cluster reachability check failed".to_owned())?;
        if let Err(error) = self.check_name(install).await {
            self.log.error("release name check failed");
            return Err(error).during(|| "release name check failed".to_owned());
        }
        let capabilities = self.capabilities(version).await?;
        let revision = helm::Release {
            name: name.clone(),
            namespace: namespace.clone(),
            revision: 1,
            is_upgrade: false,
        };
        let revision = self
            .render(wanted, revision, &install.rendering, capabilities)
            .await?;
        let method = if install.server_side {
            SERVER_SIDE
        } else {
            CLIENT_SIDE
        };
        let mut release = revision.into_record(wanted, install.crds, method)?;
        set_status(&mut release, Status::PendingInstall, "Initial install underway");
        let mut resources = self
            .build(&release.manifest.read(), namespace)
            .await
            .during(|| "unable to build kubernetes objects from release manifest".to_owned())?;
        set_owner(&mut resources, name, namespace);
        let adoption = if install.take_ownership {
            Adoption::Any
        } else {
            Adoption::Own(name, namespace)
        };
        let adopted = self.cluster.adopt(&resources, adoption).await;
        let adopted = adopted.during(|| "unable to continue with install".to_owned())?;
        if install.create_namespace {
            self.create_namespace(namespace, install.server_side).await?;
        }
        if install.replace {
            self.supersede_last(&mut release).await?;
        }
        self.storage.create(&release, 0).await?;
        match self
            .perform_install(install, &mut release, adopted, resources)
            .await
        {
            Ok(()) => Ok(release),
            Err(error) => {
                let description = format!("Release {} failed: {error}", gotmpl::quote(name.as_bytes()));
                set_status(&mut release, Status::Failed, &description);
                self.record(&release).await;
                Err(error)
            }
        }
    }

    /// A name is free if there is no release, or one whose place may be taken.
    async fn check_name(&self, install: &Install) -> Result<(), ActionError> {
        helm::validate_release_name(&install.name).map_err(|error| {
            ActionError::Name(format!("{}: {error}", gotmpl::quote(install.name.as_bytes())))
        })?;
        let Ok(Some(last)) = self.storage.last(&install.name).await else {
            return Ok(());
        };
        if install.replace && matches!(last.info.status, Status::Uninstalled | Status::Failed) {
            return Ok(());
        }
        Err(ActionError::NameInUse)
    }

    async fn create_namespace(&mut self, name: &str, server_side: bool) -> Result<(), ActionError> {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}},
            "spec": {}, "status": {},
        });
        let mut resources = self.build(&object.to_string(), "").await?;
        let method = Method::creating(server_side);
        match self
            .cluster
            .create(&mut resources, method, &self.log, &mut self.patience)
            .await
        {
            Err(ApplyError::Refused(error)) if error.is_already_there() => Ok(()),
            created => Ok(created?),
        }
    }

    /// Takes the place of the last revision.
    async fn supersede_last(&mut self, release: &mut Release) -> Result<(), ActionError> {
        let Ok(Some(mut last)) = self.storage.last(&release.name).await else {
            return Ok(());
        };
        release.version = last.version + 1;
        if last.info.status == Status::Failed {
            return Ok(());
        }
        set_status(&mut last, Status::Superseded, "superseded by new release");
        Ok(self.storage.update(&last).await?)
    }

    async fn perform_install(
        &mut self,
        install: &Install,
        release: &mut Release,
        adopted: Vec<Resource>,
        mut resources: Vec<Resource>,
    ) -> Result<(), ActionError> {
        let (waiting, server_side) = (install.waiting, install.server_side);
        if !install.disable_hooks {
            self.exec_hooks(release, HookEvent::PreInstall, waiting, server_side)
                .await
                .during(|| "failed pre-install".to_owned())?;
        }
        self.go_on()?;
        if adopted.is_empty() && !resources.is_empty() {
            let method = Method::creating(server_side);
            self.cluster
                .create(&mut resources, method, &self.log, &mut self.patience)
                .await?;
        } else if !resources.is_empty() {
            let method = match Method::changing(server_side, false) {
                Method::ClientSide { .. } => Method::ClientSide {
                    three_way_for_untyped: install.take_ownership,
                },
                server_side => server_side,
            };
            let (_, result) = self
                .cluster
                .update(
                    &adopted,
                    &mut resources,
                    method,
                    true,
                    &self.log,
                    &mut self.patience,
                )
                .await;
            result?;
        }
        drop(adopted);
        self.wait_ready(resources, waiting).await?;
        if !install.disable_hooks {
            self.exec_hooks(release, HookEvent::PostInstall, waiting, server_side)
                .await
                .during(|| "failed post-install".to_owned())?;
        }
        set_status(release, Status::Deployed, "Install complete");
        self.record(release).await;
        Ok(())
    }
}

/// Sets the state of a release and what happened last.
pub(super) fn set_status(release: &mut Release, status: Status, description: &str) {
    release.info.status = status;
    description.clone_into(&mut release.info.description);
}

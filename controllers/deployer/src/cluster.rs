//! Where a run acts, and as whom.

use std::sync::Arc;

use cloud_auth::Identities;
use controller_kit::{Cluster, Mapping, RestError};
use flux_api::Deployed;

use crate::kind::Kind;
use crate::kube_config::{self, ClusterError};
use crate::run::Run;

impl<K: Kind> Run<'_, K> {
    /// Gives the cluster that the object is brought to, as the identity that applies there: the service account of the
    /// object, or the default one.
    ///
    /// It is found out once in a run. A run for another cluster goes on in a place for work on that cluster then, so that what
    /// is slow or silent there holds no worker.
    ///
    /// # Errors
    /// It is not known how to get there, or the account's name cannot be one.
    pub async fn cluster(&mut self) -> Result<Cluster, Arc<ClusterError>> {
        if let Some(found) = &self.cluster {
            return found.clone();
        }
        let found = self.find_cluster().await.map_err(Arc::new);
        self.cluster = Some(found.clone());
        found
    }

    async fn find_cluster(&mut self) -> Result<Cluster, ClusterError> {
        let (context, object) = (self.context, Arc::clone(&self.object));
        let cluster = match object.kube_config() {
            None => {
                context.clusters.release(&self.key);
                context.clusters.home().clone()
            }
            Some(reference) => {
                let identities = self.identities();
                let remote = kube_config::find(context, self.slot, &self.key, &identities, reference).await?;
                remote.receive(self.slot).await;
                remote
            }
        };
        match self.service_account() {
            "" => Ok(cluster),
            account => Ok(cluster.impersonating(&self.key.namespace, account)?),
        }
    }

    /// Gives whoever gets tokens for the object.
    ///
    /// What a shadow asks for is counted for nobody: its object may be somebody else's, or gone before it ends.
    pub fn identities(&self) -> Identities {
        if self.is_shadow() {
            return self.context.identities.clone();
        }
        self.context.identities_for(&self.key)
    }

    /// Tells one cluster from another: the one that the run acts on, as far as that is known.
    pub(crate) fn place(&self) -> &str {
        match &self.cluster {
            Some(Ok(cluster)) => cluster.id(),
            _ => "",
        }
    }

    /// Tells whether the account exists that the run acts as; without it nothing can be done, and stock lets an object go
    /// that is deleted. It is looked for at home, wherever the run acts.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn may_act(&self) -> Result<bool, RestError> {
        let account = self.service_account();
        if account.is_empty() {
            return Ok(true);
        }
        let mapping = Mapping {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ServiceAccount".to_owned(),
            plural: "serviceaccounts".to_owned(),
            namespaced: true,
        };
        let found = self
            .context
            .rest
            .get(&mapping, &self.key.namespace, account)
            .await?;
        Ok(found.is_some())
    }

    /// Gives the service account that the run acts as; empty for the controller itself.
    pub fn service_account(&self) -> &str {
        match self.object.service_account() {
            "" => &self.context.settings.default_service_account,
            named => named,
        }
    }
}

//! As whom a run acts.

use controller_kit::{Mapping, Rest, RestError};
use flux_api::Deployed;

use crate::kind::Kind;
use crate::run::Run;

impl<K: Kind> Run<'_, K> {
    /// Gives the client of the identity that applies: the service account of the object, or the default one.
    ///
    /// # Errors
    /// The account's name cannot be one.
    pub fn identity(&self) -> Result<Rest, RestError> {
        match self.service_account() {
            "" => Ok(self.context.rest.clone()),
            account => self.context.rest.impersonating(&self.key.namespace, account),
        }
    }

    /// Tells whether that account exists; without it nothing can be done, and stock lets an object go that is deleted.
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

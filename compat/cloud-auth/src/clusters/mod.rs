//! From a ConfigMap to a cluster: which tokens are needed, and what is made of them.

use crate::cache::{Kept, key};
use crate::cluster_settings::{ClusterSettings, Provider};
use crate::error::{AuthError, WayError};
use crate::identities::{Identities, Identity, Wanted};
use crate::token::Way;
use crate::usage::End;
use crate::wire::Surroundings;
use crate::{aws, azure, gcp};

/// What a token for clusters of Azure is for.
const AKS: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";

impl Identities {
    /// Finds the way to the cluster that a ConfigMap names, as somebody: what is kept and still good, or what the provider
    /// says now. The account is the one that the ConfigMap names.
    ///
    /// # Errors
    /// See [`WayError`].
    pub async fn way(&self, settings: &ClusterSettings, who: &Identity) -> Result<Way, WayError> {
        let who = Identity {
            account: settings.service_account.clone(),
            ..who.clone()
        };
        let (mut tokens, mut parts) = (Vec::new(), Vec::new());
        for (at, wanted) in wanted(settings, &*self.around)?.iter().enumerate() {
            let (token, kept_as) = self.token(&who, wanted).await?;
            tokens.push(token);
            parts.push(format!("accessToken{at}CacheKey={kept_as:02x?}"));
        }
        for (name, value) in [("cluster", &settings.cluster), ("address", &settings.address)] {
            if !value.is_empty() {
                parts.push(format!("{name}={value}"));
            }
        }
        let kept_as = key(&parts);
        if let Some(Kept::Way(way)) = self.tokens.get(&kept_as, self.moment()) {
            self.count(End::Kept);
            return Ok(way);
        }
        let found = self.find(settings, tokens).await;
        self.count(if found.is_ok() { End::Made } else { End::Failed });
        let way = found?;
        self.tokens.keep(kept_as, &Kept::Way(way.clone()), self.moment());
        Ok(way)
    }

    async fn find(&self, settings: &ClusterSettings, tokens: Vec<Kept>) -> Result<Way, AuthError> {
        let (network, around) = (&*self.network, &*self.around);
        let mut tokens = tokens.into_iter();
        let Some(first) = tokens.next() else {
            return Err(AuthError::configuration("the provider needs no token"));
        };
        match settings.provider {
            Provider::Generic => generic(settings, first),
            Provider::Aws => aws::find(settings, &first.aws()?, network, around).await,
            Provider::Azure => {
                let manager = tokens.next().map(Kept::bearer).transpose()?;
                azure::find(settings, first.bearer()?, manager, network, around).await
            }
            Provider::Gcp => gcp::find(settings, first.bearer()?, network).await,
        }
    }
}

/// The tokens that a provider needs; the first is the one that its cluster asks for.
fn wanted(settings: &ClusterSettings, around: &dyn Surroundings) -> Result<Vec<Wanted>, AuthError> {
    let first = Wanted {
        audiences: settings.audiences.clone(),
        authorities: settings.authorities.clone(),
        ..Wanted::of(settings.provider)
    };
    Ok(match settings.provider {
        Provider::Generic if settings.audiences.is_empty() => vec![Wanted {
            audiences: vec![settings.address.clone()],
            ..first
        }],
        Provider::Generic | Provider::Gcp => vec![first],
        Provider::Aws => vec![Wanted {
            region: aws::region_of(&settings.cluster)?.to_owned(),
            ..first
        }],
        Provider::Azure => {
            let scope = AKS.to_owned();
            let of_cluster = Wanted {
                scope,
                ..first.clone()
            };
            if settings.address.is_empty() || settings.authorities.is_empty() {
                let scope = azure::Manager::of(around)?.scope();
                vec![of_cluster, Wanted { scope, ..first }]
            } else {
                vec![of_cluster]
            }
        }
    })
}

/// A cluster that trusts the tokens of the one that the process runs in.
fn generic(settings: &ClusterSettings, token: Kept) -> Result<Way, AuthError> {
    let address = &settings.address;
    if address.is_empty() {
        return Err(AuthError::configuration(
            "cluster address is required to create a REST config",
        ));
    }
    let server = kubeconfig::cluster_address(address).map_err(|error| {
        AuthError::Configuration(format!("failed to parse cluster address {address}: {error}"))
    })?;
    Way::new(server, settings.authorities.clone(), token.bearer()?)
}

#[cfg(test)]
mod tests;

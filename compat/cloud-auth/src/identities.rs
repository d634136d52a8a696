//! Tokens for an identity: a service account of the cluster, or the process itself.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::account::Account;
use crate::azure::{Application, Proof};
use crate::cache::{Kept, Key, Moment, Tokens, key};
use crate::cluster_settings::Provider;
use crate::error::{AuthError, IdentityError};
use crate::token::AccessToken;
use crate::usage::{End, Involved};
use crate::wire::{Network, Surroundings, Trust};
use crate::{aws, azure, gcp, jwt};

/// Where a pod finds its own token.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A future of a cluster.
pub type Asked<'c, T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send + 'c>>;

/// The cluster, as far as identities are concerned. Answers may be secret, and errors must not be.
pub trait Cluster: Send + Sync {
    /// Reads the annotations of a service account; nothing when there is none.
    fn annotations<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
    ) -> Asked<'c, Option<BTreeMap<String, String>>>;

    /// Asks for a token of a service account for these audiences, the cluster's own when there are none.
    fn token<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
        audiences: &'c [String],
    ) -> Asked<'c, Zeroizing<String>>;
}

/// As whom something is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The namespace of the object, where its service accounts are.
    pub namespace: String,
    /// The service account that the object names; may be empty.
    pub account: String,
    /// The one of those that name none; empty for the process itself.
    pub default_account: String,
    /// Whether service accounts of objects may be used at all (gate `ObjectLevelWorkloadIdentity`).
    pub is_enabled: bool,
}

/// What a token is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) provider: Provider,
    /// Whom tokens of the cluster have to be for; the provider, when empty.
    pub(crate) audiences: Vec<String>,
    pub(crate) scope: String,
    pub(crate) region: String,
    pub(crate) authorities: String,
}

impl Wanted {
    pub(crate) fn of(provider: Provider) -> Self {
        Self {
            provider,
            audiences: Vec::new(),
            scope: String::new(),
            region: String::new(),
            authorities: String::new(),
        }
    }
}

/// A service account, and what the provider makes of it.
struct Known {
    account: Account,
    audiences: Vec<String>,
    /// Who it is to the provider.
    identity: String,
}

/// Whoever gets tokens.
#[derive(Clone)]
pub struct Identities {
    /// Who sends requests.
    pub network: Arc<dyn Network>,
    /// The environment and the files of the process.
    pub around: Arc<dyn Surroundings>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Tokens that all objects share.
    pub tokens: Arc<Tokens>,
    /// For which object they are asked for, for those who count; nobody in particular when absent.
    pub involved: Option<Involved>,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({:?})", self.tokens)
    }
}

impl Identities {
    /// Gives whoever gets them for an object.
    #[must_use]
    pub fn on_behalf_of(&self, involved: Involved) -> Self {
        Self {
            involved: Some(involved),
            ..self.clone()
        }
    }

    /// Gives whoever gets them for the same object, and for something else.
    #[must_use]
    pub fn in_order_to(&self, operation: &'static str) -> Self {
        let involved = self.involved.clone();
        Self {
            involved: involved.map(|involved| Involved {
                operation,
                ..involved
            }),
            ..self.clone()
        }
    }

    /// Gets credentials for services of AWS in a region.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn aws(&self, who: &Identity, region: &str) -> Result<aws::Credentials, IdentityError> {
        let wanted = Wanted {
            region: region.to_owned(),
            ..Wanted::of(Provider::Aws)
        };
        let (kept, _) = self.token(who, &wanted).await?;
        kept.aws().map_err(IdentityError::Controller)
    }

    /// Gets a token for services of Google.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn gcp(&self, who: &Identity) -> Result<AccessToken, IdentityError> {
        self.bearer(who, &Wanted::of(Provider::Gcp)).await
    }

    /// Gets a token for services of Azure with a scope.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn azure(&self, who: &Identity, scope: &str) -> Result<AccessToken, IdentityError> {
        let wanted = Wanted {
            scope: scope.to_owned(),
            ..Wanted::of(Provider::Azure)
        };
        self.bearer(who, &wanted).await
    }

    /// Gets a token of the cluster for somebody who takes those.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub async fn kubernetes(&self, who: &Identity, audience: &str) -> Result<AccessToken, IdentityError> {
        let wanted = Wanted {
            audiences: vec![audience.to_owned()],
            ..Wanted::of(Provider::Generic)
        };
        self.bearer(who, &wanted).await
    }

    async fn bearer(&self, who: &Identity, wanted: &Wanted) -> Result<AccessToken, IdentityError> {
        let (kept, _) = self.token(who, wanted).await?;
        kept.bearer().map_err(IdentityError::Controller)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment::now(self.network.now())
    }

    /// Gets a token, and says as what it is kept.
    pub(crate) async fn token(&self, who: &Identity, wanted: &Wanted) -> Result<(Kept, Key), IdentityError> {
        let known = self.known(who, wanted).await?;
        let key = key(&parts(wanted, known.as_ref()));
        if let Some(kept) = self.tokens.get(&key, self.moment()) {
            self.count(End::Kept);
            return Ok((kept, key));
        }
        let made = self.make(who, wanted, known.as_ref()).await;
        self.count(if made.is_ok() { End::Made } else { End::Failed });
        let token = made?;
        self.tokens.keep(key, &token, self.moment());
        Ok((token, key))
    }

    /// Counts a request for a token.
    pub(crate) fn count(&self, end: End) {
        self.tokens.count(self.involved.as_ref(), end);
    }

    /// Makes a token for an account, or for the process itself.
    async fn make(
        &self,
        who: &Identity,
        wanted: &Wanted,
        known: Option<&Known>,
    ) -> Result<Kept, IdentityError> {
        let Some(Known {
            account, audiences, ..
        }) = known
        else {
            return self.own(wanted).await.map_err(IdentityError::Controller);
        };
        if !who.is_enabled {
            return Err(IdentityError::Gate);
        }
        let own = self.cluster.token(&account.namespace, &account.name, audiences);
        let own = own.await.map_err(|why| IdentityError::Kubernetes {
            account: account.path(),
            why,
        })?;
        let exchanged = self.exchange(account, own, wanted).await;
        exchanged.map_err(|why| IdentityError::Exchange {
            account: account.path(),
            why,
        })
    }

    /// Finds out as whom; nothing for the process itself.
    async fn known(&self, who: &Identity, wanted: &Wanted) -> Result<Option<Known>, IdentityError> {
        let is_default = who.account.is_empty();
        let name = if is_default {
            &who.default_account
        } else {
            &who.account
        };
        if name.is_empty() {
            return Ok(None);
        }
        let mut account = Account {
            namespace: who.namespace.clone(),
            name: name.clone(),
            annotations: BTreeMap::new(),
        };
        let failed = |why: String, is_not_found| IdentityError::Account {
            account: account.path(),
            why,
            is_not_found,
        };
        let found = self.cluster.annotations(&who.namespace, name).await;
        let annotations = match found.map_err(|why| failed(why, false))? {
            Some(annotations) => annotations,
            None if is_default => {
                let why = "the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help";
                return Err(failed(why.to_owned(), false));
            }
            None => return Err(failed(format!("ServiceAccount {name:?} not found"), true)),
        };
        account.annotations = annotations;
        let audiences = match wanted.audiences.as_slice() {
            [] => self.audiences(&account, wanted.provider).await,
            named => Ok(named.to_vec()),
        };
        let audiences = audiences.map_err(IdentityError::Audience)?;
        let identity = match wanted.provider {
            Provider::Generic => Ok(format!(
                "system:serviceaccount:{}:{}",
                account.namespace, account.name
            )),
            Provider::Aws => account.role().map(str::to_owned),
            Provider::Azure => account
                .azure()
                .map(|(tenant, client)| format!("{tenant}/{client}")),
            Provider::Gcp => account.email().map(str::to_owned),
        };
        let identity = identity.map_err(|why| IdentityError::Annotations {
            account: account.path(),
            why,
        })?;
        Ok(Some(Known {
            account,
            audiences,
            identity,
        }))
    }

    /// Whom a token of the cluster has to be for, so that the provider takes it.
    async fn audiences(&self, account: &Account, provider: Provider) -> Result<Vec<String>, AuthError> {
        Ok(match provider {
            Provider::Generic => Vec::new(),
            Provider::Aws => vec!["sts.amazonaws.com".to_owned()],
            Provider::Azure => vec!["api://AzureADTokenExchange".to_owned()],
            Provider::Gcp => vec![match account.pool()? {
                Some(pool) => pool,
                None => self.google_cluster().await?.pool(),
            }],
        })
    }

    /// The cluster of Google that the process runs in, which it does not leave.
    async fn google_cluster(&self) -> Result<gcp::Cluster, AuthError> {
        if let Some(known) = self.tokens.google_cluster() {
            return Ok(known);
        }
        let found = gcp::Cluster::own(&*self.network, &*self.around).await?;
        self.tokens.keep_google_cluster(found.clone());
        Ok(found)
    }

    /// Exchanges a token of the cluster for one of the provider.
    async fn exchange(
        &self,
        account: &Account,
        own: Zeroizing<String>,
        wanted: &Wanted,
    ) -> Result<Kept, AuthError> {
        let (network, around) = (&*self.network, &*self.around);
        match wanted.provider {
            Provider::Generic => of_cluster(own),
            Provider::Aws => {
                let region = &wanted.region;
                let session = format!("{}.{}.{region}.fluxcd.io", account.name, account.namespace);
                let identity = aws::WebIdentity {
                    role: aws::Role {
                        arn: account.role()?,
                        session: &session,
                        region,
                    },
                    token: &own,
                };
                identity.assume(network, around).await.map(Kept::Aws)
            }
            Provider::Azure => {
                let (tenant, client) = account.azure()?;
                let application = Application {
                    authority: azure::authority(around)?,
                    trust: Trust::Process,
                    tenant: tenant.to_owned(),
                    client: client.to_owned(),
                    proof: Proof::Assertion(own),
                };
                application.token(&wanted.scope, network).await.map(Kept::Bearer)
            }
            Provider::Gcp => {
                let audience = match account.pool()? {
                    Some(pool) => pool,
                    None => self.google_cluster().await?.audience(),
                };
                let federated = gcp::Federated {
                    audience: &audience,
                    email: account.email()?,
                };
                federated.exchange(&own, network).await.map(Kept::Bearer)
            }
        }
    }

    /// Gets a token of the process itself.
    async fn own(&self, wanted: &Wanted) -> Result<Kept, AuthError> {
        let (network, around) = (&*self.network, &*self.around);
        match wanted.provider {
            Provider::Generic => {
                let failed =
                    |why: String| format!("failed to read service account token file {OWN_TOKEN}: {why}");
                let own = around.file(OWN_TOKEN);
                let own = own.and_then(|own| {
                    own.ok_or_else(|| format!("open {OWN_TOKEN}: no such file or directory"))
                });
                let own = own.map_err(|why| AuthError::Configuration(failed(why)))?;
                let (namespace, name) = jwt::account(&Zeroizing::new(own))?;
                let token = self.cluster.token(&namespace, &name, &wanted.audiences).await;
                let token = token.map_err(|why| {
                    AuthError::Configuration(format!(
                        "failed to create kubernetes token for controller service account '{namespace}/{name}': {why}"
                    ))
                })?;
                of_cluster(token)
            }
            Provider::Aws => aws::process_credentials(&wanted.region, network, around)
                .await
                .map(Kept::Aws),
            Provider::Azure => azure::process_token(&wanted.scope, network, around)
                .await
                .map(Kept::Bearer),
            Provider::Gcp => gcp::process_token(&gcp::SCOPES, network, around)
                .await
                .map(Kept::Bearer),
        }
    }
}

/// A token of the cluster is all that is needed.
fn of_cluster(token: Zeroizing<String>) -> Result<Kept, AuthError> {
    let expires = Some(jwt::expiration(&token)?);
    Ok(Kept::Bearer(AccessToken { token, expires }))
}

/// All that a token depends on.
fn parts(wanted: &Wanted, known: Option<&Known>) -> Vec<String> {
    let mut parts = vec![format!("provider={}", wanted.provider.as_str())];
    let audiences = known.map(|known| &known.audiences);
    let audiences = audiences
        .filter(|all| !all.is_empty())
        .unwrap_or(&wanted.audiences);
    if !audiences.is_empty() {
        parts.push(format!("audiences={}", audiences.join(",")));
    }
    if let Some(Known {
        account, identity, ..
    }) = known
    {
        parts.push(format!("providerIdentity={identity}"));
        parts.push(format!("serviceAccountName={}", account.name));
        parts.push(format!("serviceAccountNamespace={}", account.namespace));
    }
    for (name, value) in [
        ("scopes", &wanted.scope),
        ("stsRegion", &wanted.region),
        ("caData", &wanted.authorities),
    ] {
        if !value.is_empty() {
            parts.push(format!("{name}={value}"));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, identity: &str) -> Known {
        Known {
            account: Account {
                namespace: "apps".to_owned(),
                name: name.to_owned(),
                annotations: BTreeMap::new(),
            },
            audiences: vec!["sts.amazonaws.com".to_owned()],
            identity: identity.to_owned(),
        }
    }

    #[test]
    fn one_identity_is_not_another() {
        let wanted = |region: &str| Wanted {
            region: region.to_owned(),
            ..Wanted::of(Provider::Aws)
        };
        let of_one = parts(&wanted("r"), Some(&known("me", "role")));
        let expected = [
            "provider=aws",
            "audiences=sts.amazonaws.com",
            "providerIdentity=role",
            "serviceAccountName=me",
            "serviceAccountNamespace=apps",
            "stsRegion=r",
        ];
        assert_eq!(of_one, expected);
        for another in [
            parts(&wanted("r"), None),
            parts(&wanted("s"), Some(&known("me", "role"))),
            parts(&wanted("r"), Some(&known("you", "role"))),
            parts(&wanted("r"), Some(&known("me", "other"))),
            parts(&Wanted::of(Provider::Gcp), Some(&known("me", "role"))),
        ] {
            assert_ne!(of_one, another);
        }
    }
}

//! Clusters of Azure: a token of Entra ID is good for all of them, and one more finds out where they are.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubeconfig::{Access, Permits, cluster_address};
use serde_json::Value;
use url::Url;

use super::Manager;
use crate::account::is_short;
use crate::cluster_settings::ClusterSettings;
use crate::error::AuthError;
use crate::token::{AccessToken, Way};
use crate::wire::{Network, Request, Surroundings, Trust, send_patiently};

const VERSION: &str = "2022-04-01";

/// Finds the way to a cluster with a token for clusters, and one for resources where something has to be looked up.
///
/// # Errors
/// Azure does not tell where it is.
pub(crate) async fn find(
    settings: &ClusterSettings,
    token: AccessToken,
    manager_token: Option<AccessToken>,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Way, AuthError> {
    let (mut server, mut authorities) = (settings.address.clone(), settings.authorities.clone());
    if let Some(manager_token) = manager_token {
        let asking = Asking {
            manager: Manager::of(around)?,
            token: manager_token,
            network,
        };
        let (found, certificates) = asking.find(settings).await?;
        if server.is_empty() {
            server = found;
        }
        if authorities.is_empty() {
            authorities = certificates;
        }
    }
    Way::new(server, authorities, token)
}

/// Tells whether a text names a cluster; it becomes the path of a URL.
fn is_cluster(cluster: &str) -> bool {
    let is_part = |part: &str, most: usize| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte);
        is_short(part, most) && part.bytes().all(fits) && !part.starts_with('.')
    };
    let [
        "",
        subscriptions,
        subscription,
        groups,
        group,
        providers,
        provider,
        kind,
        name,
    ] = cluster.split('/').collect::<Vec<_>>()[..]
    else {
        return false;
    };
    let words = [
        (subscriptions, "subscriptions"),
        (groups, "resourceGroups"),
        (providers, "providers"),
        (provider, "Microsoft.ContainerService"),
        (kind, "managedClusters"),
    ];
    words.iter().all(|(part, word)| part.eq_ignore_ascii_case(word))
        && subscription.len() == 36
        && is_part(subscription, 36)
        && is_part(group, 200)
        && is_part(name, 200)
}

/// Whoever asks for resources.
struct Asking<'n> {
    manager: Manager,
    token: AccessToken,
    network: &'n dyn Network,
}

impl Asking<'_> {
    async fn ask(&self, method: &'static str, path: &str) -> Result<Value, AuthError> {
        let url = format!("{}{path}?api-version={VERSION}", self.manager.endpoint);
        let url = Url::parse(&url).map_err(|error| AuthError::Configuration(error.to_string()))?;
        let (host, shown) = (
            url.host_str().unwrap_or_default().to_owned(),
            url.path().to_owned(),
        );
        let request = Request {
            method,
            ..Request::get(url, Trust::Process)
        };
        let request = request.with("authorization", format!("Bearer {}", self.token.token.as_str()));
        let reply = send_patiently(self.network, &request).await?;
        let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.is_success() {
            return Ok(answer);
        }
        let text = |name: &str| answer.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        let code = text("code").unwrap_or("UNAVAILABLE");
        let message = text("message").map_or_else(|| reply.text(), str::to_owned);
        let status = reply.status;
        Err(AuthError::Configuration(format!(
            "{method} https://{host}{shown}: RESPONSE {status}: ERROR CODE: {code}: {message}"
        )))
    }

    /// Finds address and certificates of a cluster: of the first of its addresses, or of the one that is named.
    async fn find(&self, settings: &ClusterSettings) -> Result<(String, String), AuthError> {
        let failed = |text: String| AuthError::Configuration(text);
        let (cluster, address) = (&settings.cluster, &settings.address);
        if !is_cluster(cluster) {
            let pattern = r"(?i)^/subscriptions/([^/]{36})/resourceGroups/([^/]{1,200})/providers/Microsoft\.ContainerService/managedClusters/([^/]{1,200})$";
            return Err(failed(format!(
                "invalid AKS cluster ID: '{cluster}'. must match {pattern}"
            )));
        }
        let described = self.ask("GET", cluster).await;
        let described = described.map_err(|why| failed(format!("failed to describe AKS cluster: {why}")))?;
        if described
            .pointer("/properties/aadProfile")
            .is_none_or(Value::is_null)
        {
            return Err(failed(format!(
                "AKS cluster {cluster} does not have Microsoft Entra ID integration enabled. See docs for enabling: https://learn.microsoft.com/en-us/azure/aks/enable-authentication-microsoft-entra-id"
            )));
        }
        let wanted = match address.as_str() {
            "" => None,
            address => Some(cluster_address(address).map_err(|error| {
                failed(format!(
                    "failed to parse specified cluster address '{address}': {error}"
                ))
            })?),
        };
        let listed = self
            .ask("POST", &format!("{cluster}/listClusterUserCredential"))
            .await?;
        let mut addresses = Vec::new();
        let kubeconfigs = listed.get("kubeconfigs").and_then(Value::as_array);
        for (at, kubeconfig) in kubeconfigs.into_iter().flatten().enumerate() {
            let found = read(kubeconfig);
            let found = found.map_err(|why| failed(format!("failed to parse kubeconfig[{at}]: {why}")))?;
            addresses.push(format!("'{}'", found.server));
            let canonical = cluster_address(&found.server).map_err(|error| {
                let server = &found.server;
                failed(format!(
                    "failed to parse address '{server}' from kubeconfig[{at}]: {error}"
                ))
            })?;
            if wanted.as_ref().is_none_or(|wanted| *wanted == canonical) {
                let authorities = String::from_utf8(found.authorities.unwrap_or_default());
                return Ok((found.server, authorities.unwrap_or_default()));
            }
        }
        let none = format!("no kubeconfig found for AKS cluster {cluster}");
        if wanted.is_none() {
            return Err(failed(none));
        }
        let addresses = addresses.join(", ");
        Err(failed(format!(
            "{none} matching the specified address '{address}'. cluster addresses: [{addresses}]"
        )))
    }
}

/// Reads a kubeconfig that Azure made. Its credentials are a command that nobody runs: only where it leads to counts.
fn read(kubeconfig: &Value) -> Result<Access, String> {
    let text = kubeconfig
        .get("value")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let text = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let permits = Permits {
        exec: true,
        insecure_tls: false,
    };
    Access::of(&text, permits).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_in_full_and_leads_nowhere_else() {
        let id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g_(1)/providers/Microsoft.ContainerService/managedClusters/far";
        assert!(is_cluster(id) && is_cluster(&id.to_lowercase()));
        for wrong in [
            "far".to_owned(),
            id.replace("far", ".."),
            id.replace("far", "a/b"),
            id.replace("far", "a?b"),
            id.replace("0000/", "000/"),
            id[1..].to_owned(),
        ] {
            assert!(!is_cluster(&wrong), "{wrong}");
        }
    }
}

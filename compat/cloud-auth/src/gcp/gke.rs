//! Clusters of Google.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::Url;

use crate::account::is_short;
use crate::cluster_settings::ClusterSettings;
use crate::error::AuthError;
use crate::token::{AccessToken, Way};
use crate::wire::{Network, Request, Trust, send_patiently};

/// Tells whether a text names a cluster; it becomes the path of a URL.
fn is_cluster(cluster: &str) -> bool {
    let is_part = |part: &str| {
        // A project may belong to a domain: `example.org:p`.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        is_short(part, 200) && part.bytes().all(fits) && !part.starts_with('.')
    };
    match cluster.split('/').collect::<Vec<_>>()[..] {
        ["projects", project, "locations", location, "clusters", name] => {
            is_part(project) && is_part(location) && is_part(name)
        }
        _ => false,
    }
}

/// Finds the way to a cluster with a token.
///
/// # Errors
/// Google does not tell where it is.
pub(crate) async fn find(
    settings: &ClusterSettings,
    token: AccessToken,
    network: &dyn Network,
) -> Result<Way, AuthError> {
    let (mut server, mut authorities) = (settings.address.clone(), settings.authorities.clone());
    if server.is_empty() || authorities.is_empty() {
        let cluster = &settings.cluster;
        if !is_cluster(cluster) {
            let pattern = "^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";
            return Err(AuthError::Configuration(format!(
                "invalid GKE cluster ID: '{cluster}'. must match {pattern}"
            )));
        }
        let described = describe(cluster, &token, network).await;
        let described = described.map_err(|why| {
            AuthError::Configuration(format!("failed to describe GKE cluster '{cluster}': {why}"))
        })?;
        let text = |path: &str| {
            described
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if server.is_empty() {
            text("/endpoint").clone_into(&mut server);
        }
        if authorities.is_empty() {
            let decoded = STANDARD.decode(text("/masterAuth/clusterCaCertificate")).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            authorities =
                decoded.ok_or_else(|| AuthError::configuration("failed to decode GKE CA certificate"))?;
        }
    }
    Way::new(server, authorities, token)
}

async fn describe(cluster: &str, token: &AccessToken, network: &dyn Network) -> Result<Value, AuthError> {
    let url = format!("https://container.googleapis.com/v1/{cluster}?alt=json&prettyPrint=false");
    let url = Url::parse(&url).map_err(|error| AuthError::Configuration(error.to_string()))?;
    let bearer = format!("Bearer {}", token.token.as_str());
    let request = Request::get(url, Trust::Process).with("authorization", bearer);
    let reply = send_patiently(network, &request).await?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.is_success() {
        return Ok(answer);
    }
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    let message = message.map_or_else(|| reply.text(), str::to_owned);
    Err(AuthError::Configuration(format!(
        "googleapi: Error {}: {message}",
        reply.status
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_in_full_and_leads_nowhere_else() {
        assert!(is_cluster(
            "projects/example.org:p/locations/europe-west1/clusters/far"
        ));
        for wrong in [
            "far",
            "projects/p/locations/l/clusters/..",
            "projects/p/locations/l/clusters/a/b",
            "projects/p/locations/l/clusters/a?b",
            "projects//locations/l/clusters/far",
        ] {
            assert!(!is_cluster(wrong), "{wrong}");
        }
    }
}

//! Clusters of AWS: a signed URL is the token, which the cluster shows to AWS to find out who asks.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{Credentials, endpoint, presign, sign, usual};
use crate::account::{is_number, is_partition, is_short};
use crate::cluster_settings::ClusterSettings;
use crate::error::AuthError;
use crate::token::{AccessToken, Way};
use crate::wire::{Network, Request, Surroundings, Trust, send_patiently};

/// How long a token is good, in seconds.
const LIFE: u32 = 900;

/// The region and the name of the cluster that an ARN is of.
fn parse(cluster: &str) -> Result<(&str, &str), AuthError> {
    let parsed = || {
        let (partition, rest) = cluster.strip_prefix("arn:aws")?.split_once(":eks:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, name) = rest.split_once(":cluster/")?;
        let is_right = is_partition(partition) && is_number(account);
        // It becomes part of a path.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_right = is_right && is_short(region, 100) && is_short(name, 200) && name.bytes().all(fits);
        is_right.then_some((region, name))
    };
    let pattern = r"^arn:aws[\w-]*:eks:([^:]{1,100}):[0-9]{1,30}:cluster/(.{1,200})$";
    parsed().ok_or_else(|| {
        AuthError::Configuration(format!(
            "invalid EKS cluster ARN: '{cluster}'. must match {pattern}"
        ))
    })
}

/// The region that a cluster is in.
///
/// # Errors
/// The cluster is named by no ARN.
pub(crate) fn region_of(cluster: &str) -> Result<&str, AuthError> {
    parse(cluster).map(|(region, _)| region)
}

/// Finds the way to a cluster with credentials of its region.
///
/// # Errors
/// AWS does not tell where it is.
pub(crate) async fn find(
    settings: &ClusterSettings,
    credentials: &Credentials,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Way, AuthError> {
    // From before anything is asked, so as to be on the safe side.
    let now = network.now();
    let (region, name) = parse(&settings.cluster)?;
    let (mut server, mut authorities) = (settings.address.clone(), settings.authorities.clone());
    if server.is_empty() || authorities.is_empty() {
        let described = describe(region, name, credentials, network, around).await;
        let described = described.map_err(|why| {
            let cluster = &settings.cluster;
            AuthError::Configuration(format!("failed to describe EKS cluster '{cluster}': {why}"))
        })?;
        let text = |path: &str| {
            described
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if server.is_empty() {
            text("/cluster/endpoint").clone_into(&mut server);
        }
        if authorities.is_empty() {
            let decoded = STANDARD.decode(text("/cluster/certificateAuthority/data")).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            authorities =
                decoded.ok_or_else(|| AuthError::configuration("failed to decode EKS CA certificate"))?;
        }
    }
    let mut url = Url::parse(&usual("sts", region))
        .map_err(|error| AuthError::Configuration(format!("invalid input region {region}: {error}")))?;
    url.query_pairs_mut()
        .append_pair("Action", "GetCallerIdentity")
        .append_pair("Version", "2011-06-15");
    let request = Request::get(url, Trust::Process).with("x-k8s-aws-id", name);
    let url = presign(&request, credentials, region, "sts", now, LIFE);
    let token = AccessToken {
        token: Zeroizing::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url.as_bytes()))),
        // It ends with the credentials that have signed it.
        expires: [
            now.checked_add(SignedDuration::from_secs(LIFE.into())).ok(),
            credentials.expires,
        ]
        .into_iter()
        .flatten()
        .min(),
    };
    Way::new(server, authorities, token)
}

async fn describe(
    region: &str,
    name: &str,
    credentials: &Credentials,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Value, AuthError> {
    const WHAT: &str = "operation error EKS: DescribeCluster";
    let mut url = endpoint("eks", region, around)?;
    let prefix = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{prefix}/clusters/{name}"));
    let request = Request::get(url, Trust::Process);
    let request = sign(request, credentials, region, "eks", network.now());
    let reply = send_patiently(network, &request).await?;
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if reply.is_success() {
        return Ok(answer);
    }
    let kind = reply.header("x-amzn-errortype").unwrap_or("UnknownError");
    let kind = kind.split(':').next().unwrap_or(kind);
    let id = reply.header("x-amzn-requestid").unwrap_or_default();
    let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
    let status = reply.status;
    Err(AuthError::Configuration(format!(
        "{WHAT}, https response error StatusCode: {status}, RequestID: {id}, {kind}: {message}"
    )))
}

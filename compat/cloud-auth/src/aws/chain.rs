//! Where the process itself has credentials, in the order in which the SDK looks.

use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::{Credentials, Role, WebIdentity};
use crate::wire::send_patiently;
use crate::{AuthError, Network, Reply, Request, Surroundings, Trust};

/// Credentials as the services inside of AWS give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// Gets the credentials of the process: of the environment, of its service account, of its container, or of its machine.
///
/// Files of profiles, and programs that print credentials, do not count.
///
/// # Errors
/// There are none, or those that there are cannot be used.
pub async fn process_credentials(
    region: &str,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Credentials, AuthError> {
    let variable = |name: &str| around.variable(name);
    if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        let session = variable("AWS_SESSION_TOKEN").unwrap_or_default();
        return Credentials::fixed(&id, &secret, &session);
    }
    if let Some(path) = variable("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let role = variable("AWS_ROLE_ARN").ok_or_else(|| AuthError::configuration("role ARN is not set"))?;
        let token = Zeroizing::new(file(around, &path)?);
        let session =
            variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| network.now().as_nanosecond().to_string());
        let identity = WebIdentity {
            role: Role {
                arn: &role,
                session: &session,
                region,
            },
            token: token.trim(),
        };
        return identity.assume(network, around).await;
    }
    if let Some(path) = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return of_container(local("http://169.254.170.2", &path)?, network, around).await;
    }
    if let Some(address) = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        let url = Url::parse(&address).map_err(|error| {
            AuthError::Configuration(format!("AWS_CONTAINER_CREDENTIALS_FULL_URI: {error}"))
        })?;
        return of_container(url, network, around).await;
    }
    of_machine(network, around).await
}

fn file(around: &dyn Surroundings, path: &str) -> Result<String, AuthError> {
    match around.file(path) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(AuthError::Configuration(format!(
            "open {path}: no such file or directory"
        ))),
        Err(error) => Err(AuthError::Configuration(error)),
    }
}

fn local(base: &str, path: &str) -> Result<Url, AuthError> {
    Url::parse(&format!("{base}{path}")).map_err(|error| AuthError::Configuration(error.to_string()))
}

async fn of_container(
    url: Url,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Credentials, AuthError> {
    let mut request = Request::get(url, Trust::Process);
    let token = match around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(file(around, &path)?),
        None => around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        request = request.with("authorization", token.trim());
    }
    read(
        "credentials of the container",
        &send_patiently(network, &request).await?,
    )
}

/// Asks the metadata service of the machine, by a token that only it can have asked for.
async fn of_machine(network: &dyn Network, around: &dyn Surroundings) -> Result<Credentials, AuthError> {
    const WHAT: &str = "no EC2 IMDS role found";
    if around
        .variable("AWS_EC2_METADATA_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Err(AuthError::configuration(
            "no EC2 IMDS role found, operation error ec2imds: GetMetadata, access disabled to EC2 IMDS via client option, or \
             \"AWS_EC2_METADATA_DISABLED\" environment variable",
        ));
    }
    let base = around
        .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or_else(|| "http://169.254.169.254".to_owned());
    let base = base.trim_end_matches('/');
    let request = Request {
        method: "PUT",
        ..Request::get(local(base, "/latest/api/token")?, Trust::Process)
    };
    let request = request.with("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let token = send_patiently(network, &request).await?;
    let token = refused_unless_good(WHAT, token)?;
    let token = Zeroizing::new(String::from_utf8_lossy(&token.body).trim().to_owned());
    let get = async |path: &str| {
        let request = Request::get(local(base, path)?, Trust::Process);
        let request = request.with("x-aws-ec2-metadata-token", token.as_str());
        let reply = send_patiently(network, &request).await?;
        refused_unless_good(WHAT, reply)
    };
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let roles = get(ROLES).await?;
    let roles = String::from_utf8_lossy(&roles.body).into_owned();
    let role = roles.lines().next().map(str::trim).unwrap_or_default();
    if role.is_empty() || role.contains('/') {
        return Err(AuthError::Answer(WHAT));
    }
    read(WHAT, &get(&format!("{ROLES}{role}")).await?)
}

fn refused_unless_good(what: &'static str, reply: Reply) -> Result<Reply, AuthError> {
    if reply.is_success() {
        return Ok(reply);
    }
    Err(AuthError::Refused {
        what,
        status: reply.status,
        message: reply.text(),
    })
}

fn read(what: &'static str, reply: &Reply) -> Result<Credentials, AuthError> {
    if !reply.is_success() {
        return Err(AuthError::Refused {
            what,
            status: reply.status,
            message: reply.text(),
        });
    }
    let given: Given = serde_json::from_slice(&reply.body).map_err(|_| AuthError::Answer(what))?;
    Ok(Credentials {
        access_key_id: given.access_key_id,
        secret_access_key: Zeroizing::new(given.secret_access_key),
        session_token: Zeroizing::new(given.token.unwrap_or_default()),
        expires: given.expiration.and_then(|time| time.parse().ok()),
    })
}

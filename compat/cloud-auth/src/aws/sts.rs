//! Roles that are taken on (Security Token Service).

use zeroize::Zeroizing;

use super::{Credentials, element, endpoint, sign};
use crate::wire::send_patiently;
use crate::{AuthError, Network, Reply, Request, Surroundings, Trust};

const VERSION: (&str, &str) = ("Version", "2011-06-15");

/// A role that whoever has other credentials takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role<'r> {
    /// Its name.
    pub arn: &'r str,
    /// What the session is called.
    pub session: &'r str,
    /// The region whose service is asked.
    pub region: &'r str,
}

impl Role<'_> {
    /// Takes the role on.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn assume(
        &self,
        credentials: &Credentials,
        network: &dyn Network,
        around: &dyn Surroundings,
    ) -> Result<Credentials, AuthError> {
        let url = endpoint("sts", self.region, around)?;
        let fields = [
            ("Action", "AssumeRole"),
            ("RoleArn", self.arn),
            ("RoleSessionName", self.session),
            VERSION,
        ];
        let request = Request::form(url, &fields, Trust::Process);
        let request = sign(request, credentials, self.region, "sts", network.now());
        read(
            "operation error STS: AssumeRole",
            &send_patiently(network, &request).await?,
        )
    }
}

/// A role that whoever has a token of a service account takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity<'r> {
    /// The role.
    pub role: Role<'r>,
    /// The token.
    pub token: &'r str,
}

impl WebIdentity<'_> {
    /// Takes the role on.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn assume(
        &self,
        network: &dyn Network,
        around: &dyn Surroundings,
    ) -> Result<Credentials, AuthError> {
        let Role { arn, session, region } = self.role;
        let url = endpoint("sts", region, around)?;
        let fields = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("RoleArn", arn),
            ("RoleSessionName", session),
            VERSION,
            ("WebIdentityToken", self.token),
        ];
        let reply = send_patiently(network, &Request::form(url, &fields, Trust::Process)).await?;
        read("operation error STS: AssumeRoleWithWebIdentity", &reply)
    }
}

/// Failures that have a type of their own in the SDK, and are told in other words for it.
const TYPED: [&str; 8] = [
    "ExpiredTokenException",
    "IDPCommunicationError",
    "IDPRejectedClaim",
    "InvalidIdentityToken",
    "JWTPayloadSizeExceeded",
    "MalformedPolicyDocument",
    "PackedPolicyTooLarge",
    "RegionDisabledException",
];

fn read(operation: &'static str, reply: &Reply) -> Result<Credentials, AuthError> {
    let text = Zeroizing::new(String::from_utf8_lossy(&reply.body).into_owned());
    if !reply.is_success() {
        let code = element(&text, "Code").unwrap_or_else(|| "UnknownError".to_owned());
        let id = element(&text, "RequestId").unwrap_or_default();
        let message = element(&text, "Message").unwrap_or_default();
        let typed = TYPED.contains(&code.as_str());
        let api = if typed { "" } else { "api error " };
        let status = reply.status;
        return Err(AuthError::Configuration(format!(
            "{operation}, https response error StatusCode: {status}, RequestID: {id}, {api}{code}: {message}"
        )));
    }
    let field = |name: &str| element(&text, name).ok_or(AuthError::Answer(operation));
    Ok(Credentials {
        access_key_id: field("AccessKeyId")?,
        secret_access_key: Zeroizing::new(field("SecretAccessKey")?),
        session_token: Zeroizing::new(field("SessionToken")?),
        expires: element(&text, "Expiration").and_then(|time| time.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let reply = |status, body: &str| Reply {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let good = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>A</AccessKeyId><SecretAccessKey>B\
                    </SecretAccessKey><SessionToken>C</SessionToken><Expiration>2026-01-02T03:04:05Z</Expiration>\
                    </Credentials></AssumeRoleResult></AssumeRoleResponse>";
        let read_good = read("x", &reply(200, good)).unwrap();
        assert_eq!(
            (read_good.access_key_id.as_str(), read_good.session_token.as_str()),
            ("A", "C")
        );
        assert_eq!(read_good.expires, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        let denied = |code: &str| {
            let error = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let body = format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>");
            read("x", &reply(403, &body)).unwrap_err().to_string()
        };
        let begin = "x, https response error StatusCode: 403, RequestID: r,";
        assert_eq!(
            denied("AccessDenied"),
            format!("{begin} api error AccessDenied: no")
        );
        assert_eq!(
            denied("InvalidIdentityToken"),
            format!("{begin} InvalidIdentityToken: no")
        );
        assert!(read("x", &reply(200, "<html>")).is_err());
    }
}

//! AWS KMS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sops::AwsKmsKey;
use url::Url;
use zeroize::Zeroizing;

use crate::sign::{Credentials, sign};
use crate::wire::send_patiently;
use crate::{AuthError, Network, Reply, Request, Surroundings, Trust};

/// The region of a key, as its name says.
pub(crate) fn region(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("arn:aws")?;
    let (partition, rest) = rest.split_once(':')?;
    if !partition
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    {
        return None;
    }
    let rest = rest.strip_prefix("kms:")?;
    // The last account number that a key or an alias follows.
    let mut ends = rest.match_indices(':').filter(|(at, _)| {
        let after = rest.get(at + 1..).unwrap_or_default();
        after.split_once(':').is_some_and(|(account, key)| {
            let is_number = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
            let name = key.strip_prefix("key/").or_else(|| key.strip_prefix("alias/"));
            is_number && name.is_some_and(|name| !name.is_empty())
        })
    });
    let (end, _) = ends.next_back()?;
    rest.get(..end).filter(|region| !region.is_empty())
}

/// What a session is called, as sops calls it.
fn session(around: &dyn Surroundings) -> String {
    let host = around
        .variable("HOSTNAME")
        .unwrap_or_else(|| "localhost".to_owned());
    let mut name = "sops@".to_owned();
    name.extend(
        host.chars()
            .filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)),
    );
    name.truncate(64);
    name
}

/// Decrypts a data key with credentials, or as the role that the file names.
pub(crate) async fn decrypt(
    key: &AwsKmsKey,
    credentials: Credentials,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let blob = STANDARD
        .decode(&key.encrypted)
        .map_err(|error| format!("error base64-decoding encrypted data key: {error}"))?;
    let region = region(&key.arn).ok_or_else(|| format!("no valid ARN found in '{}'", key.arn))?;
    let failed = |why: String| format!("failed to decrypt sops data key with AWS KMS: {why}");
    let mut context = Map::new();
    for (name, value) in &key.context {
        let value = value
            .as_ref()
            .ok_or_else(|| failed(format!("the encryption context {name:?} has no value")))?;
        context.insert(name.clone(), value.as_str().into());
    }
    let url = endpoint("kms", region, around).map_err(|error| failed(error.to_string()))?;
    let credentials = if key.role.is_empty() {
        credentials
    } else {
        let session = session(around);
        let assumed = assume(&key.role, &session, region, &credentials, network, around).await;
        assumed.map_err(|error| format!("failed to assume role '{}': {error}", key.role))?
    };
    let mut body = json!({"CiphertextBlob": STANDARD.encode(blob), "KeyId": key.arn});
    if !context.is_empty() {
        body["EncryptionContext"] = Value::Object(context);
    }
    let request = Request::post(
        url,
        "application/x-amz-json-1.1",
        body.to_string().into_bytes(),
        Trust::Process,
    )
    .with("x-amz-target", "TrentService.Decrypt");
    let request = sign(request, &credentials, region, "kms", network.now());
    let reply = send_patiently(network, &request)
        .await
        .map_err(|error| failed(format!("operation error KMS: Decrypt, {error}")))?;
    if !reply.is_success() {
        return Err(failed(refusal(&reply)));
    }
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let plain = answer.get("Plaintext").and_then(Value::as_str);
    let plain = plain.and_then(|plain| STANDARD.decode(plain).ok());
    plain
        .map(Zeroizing::new)
        .ok_or_else(|| failed("operation error KMS: Decrypt, the answer cannot be read".to_owned()))
}

/// Where a service of a region is, unless the environment says otherwise.
///
/// # Errors
/// The region is none, or what the environment says is no URL.
fn endpoint(service: &str, region: &str, around: &dyn Surroundings) -> Result<Url, AuthError> {
    let is_label = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    if !is_label(region) {
        return Err(AuthError::Configuration(format!("invalid input region {region}")));
    }
    let own = around
        .variable(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()))
        .or_else(|| around.variable("AWS_ENDPOINT_URL"));
    let suffix = match region.split('-').next().unwrap_or_default() {
        "cn" => "amazonaws.com.cn",
        "eusc" => "amazonaws.eu",
        "us" if region.starts_with("us-iso-") => "c2s.ic.gov",
        "us" if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        "us" if region.starts_with("us-isof-") => "csp.hci.ic.gov",
        "eu" if region.starts_with("eu-isoe-") => "cloud.adc-e.uk",
        _ => "amazonaws.com",
    };
    let text = own.unwrap_or_else(|| format!("https://{service}.{region}.{suffix}/"));
    Url::parse(&text).map_err(|error| AuthError::Configuration(format!("AWS_ENDPOINT_URL: {error}")))
}

/// The text of an element of XML that has no others in it, as the answers of AWS are.
fn element<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

/// Takes a role on.
async fn assume(
    arn: &str,
    session: &str,
    region: &str,
    credentials: &Credentials,
    network: &dyn Network,
    around: &dyn Surroundings,
) -> Result<Credentials, AuthError> {
    const WHAT: &str = "operation error STS: AssumeRole";
    let url = endpoint("sts", region, around)?;
    let fields = [
        ("Action", "AssumeRole"),
        ("RoleArn", arn),
        ("RoleSessionName", session),
        ("Version", "2011-06-15"),
    ];
    let request = Request::form(url, &fields, Trust::Process);
    let request = sign(request, credentials, region, "sts", network.now());
    let reply = send_patiently(network, &request).await?;
    let text = Zeroizing::new(String::from_utf8_lossy(&reply.body).into_owned());
    if !reply.is_success() {
        let code = element(&text, "Code").unwrap_or("UnknownError");
        let message = element(&text, "Message").unwrap_or_default();
        return Err(AuthError::Refused {
            what: WHAT,
            status: reply.status,
            message: format!("{code}: {message}"),
        });
    }
    let field = |name: &str| element(&text, name).ok_or(AuthError::Answer(WHAT));
    Ok(Credentials {
        id: field("AccessKeyId")?.to_owned(),
        secret: Zeroizing::new(field("SecretAccessKey")?.to_owned()),
        session: Zeroizing::new(field("SessionToken")?.to_owned()),
    })
}

/// What the service says, in the words of its SDK.
fn refusal(reply: &Reply) -> String {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let code = text("__type")
        .or_else(|| reply.header("x-amzn-errortype"))
        .unwrap_or("UnknownError");
    let code = code
        .rsplit('#')
        .next()
        .unwrap_or(code)
        .split(':')
        .next()
        .unwrap_or(code);
    let message = text("message").or_else(|| text("Message")).unwrap_or_default();
    let id = reply.header("x-amzn-requestid").unwrap_or_default();
    let status = reply.status;
    format!(
        "operation error KMS: Decrypt, https response error StatusCode: {status}, RequestID: {id}, {code}: {message}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Surroundings for Nothing {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<Option<String>, String> {
            Ok(None)
        }
    }

    #[test]
    fn services_are_where_their_partition_is() {
        let at = |region: &str| {
            endpoint("kms", region, &Nothing)
                .map(|url| url.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            at("eu-west-1"),
            Ok("https://kms.eu-west-1.amazonaws.com/".to_owned())
        );
        assert_eq!(
            at("cn-north-1"),
            Ok("https://kms.cn-north-1.amazonaws.com.cn/".to_owned())
        );
        for wrong in ["", "a:b", "a.b", "-a", "eu-west-1/x", "x@y"] {
            assert_eq!(at(wrong), Err(format!("invalid input region {wrong}")));
        }
    }

    #[test]
    fn the_region_is_part_of_the_name() {
        let key = "key/612d5f0p-p1l3-45e6-aca6-a5b005693a48";
        let of = |arn: String| region(&arn).map(str::to_owned);
        assert_eq!(
            of(format!("arn:aws:kms:us-west-2:107501996527:{key}")).as_deref(),
            Some("us-west-2")
        );
        assert_eq!(
            of("arn:aws-cn:kms:cn-north-1:1:alias/a:b".to_owned()).as_deref(),
            Some("cn-north-1")
        );
        assert_eq!(of(format!("arn:aws:kms:a:b:1:{key}")).as_deref(), Some("a:b"));
        for wrong in [
            "",
            "arn:aws:kms::1:key/a",
            "arn:aws:kms:r:1:key/",
            "arn:aws:sns:r:1:key/a",
            "arn:aws:kms:r:x:key/a",
        ] {
            assert_eq!(region(wrong), None, "{wrong}");
        }
    }
}

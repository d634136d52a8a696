//! AWS KMS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_auth::aws::{Credentials, Role, endpoint, sign};
use cloud_auth::{Network, Reply, Request, Surroundings, Trust, send_patiently};
use serde_json::{Map, Value, json};
use sops::AwsKmsKey;
use zeroize::Zeroizing;

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
        let role = Role {
            arn: &key.role,
            session: &session,
            region,
        };
        let assumed = role.assume(&credentials, network, around).await;
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

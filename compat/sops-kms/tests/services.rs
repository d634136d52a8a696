//! What services are asked, and as whom, against servers that answer from a script. On a cluster they are compared with what
//! stock asks (`e2e/tests/cluster/key_services.rs`).

use std::collections::{BTreeMap, HashMap};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloud_auth::{
    Asked, Cluster, Identities, Identity, Network, NetworkError, Reply, Request, Sent, Surroundings, Tokens,
    Trust,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use sops::{AwsKmsKey, AzureKey, HuaweiKey, MasterKey, VaultKey};
use sops_kms::{Imported, Services};
use zeroize::Zeroizing;

/// Runs something that never waits.
fn now<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => Err("it waits".to_owned()),
    }
}

/// What is in the URL, and status and body of the answer.
type Scripted = (&'static str, u16, &'static str);

/// Servers that answer by what is in the URL, and what they were asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<Vec<Scripted>>>,
    asked: Arc<Mutex<Vec<String>>>,
    variables: BTreeMap<&'static str, &'static str>,
    /// Whether there is a service account, and not the process alone.
    is_account: bool,
}

impl Script {
    fn answers(answers: &[Scripted]) -> Self {
        Self {
            answers: Arc::new(Mutex::new(answers.to_vec())),
            ..Self::default()
        }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.insert(name, value);
        self
    }

    fn reply(&self, method: &str, url: &str, headers: &str, body: &str) -> Reply {
        self.asked.lock().push(format!("{method} {url} {headers} {body}"));
        let mut answers = self.answers.lock();
        let at = answers.iter().position(|(part, ..)| url.contains(part));
        let (_, status, body) = at.map_or(("", 404, "nobody is here"), |at| answers.remove(at));
        let challenge = r#"Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net""#;
        Reply {
            status,
            headers: vec![("www-authenticate".to_owned(), challenge.to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    /// What becomes of a key, with these entries in the Secret.
    fn decrypt(&self, entries: &[(&str, &str)], key: &MasterKey) -> Result<Vec<u8>, String> {
        let mut imported = Imported::default();
        for (name, text) in entries {
            let added = imported.add(name, text.as_bytes());
            added.map_err(|error| error.to_string())?;
        }
        let services = Services {
            network: Arc::new(self.clone()),
            around: Arc::new(self.clone()),
            identities: Identities {
                network: Arc::new(self.clone()),
                around: Arc::new(self.clone()),
                cluster: Arc::new(Opener),
                tokens: Arc::new(Tokens::new(100, Duration::from_hours(1))),
                involved: None,
            },
            identity: Identity {
                namespace: "apps".to_owned(),
                account: if self.is_account { "opener" } else { "" }.to_owned(),
                is_enabled: true,
                ..Identity::default()
            },
            imported,
            vault_logins: None,
            vault_tokens: Mutex::new(HashMap::new()),
        };
        now(services.decrypt(key)).map(|plain| plain.to_vec())
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Network for Script {
    fn send(&self, request: Request) -> Sent<'_> {
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let trust = if request.trust == Trust::Tenant {
            "guarded "
        } else {
            ""
        };
        let url = format!("{trust}{}", request.url);
        let reply = self.reply(request.method, &url, &headers.join(";"), &body);
        Box::pin(async move { Ok::<_, NetworkError>(reply) })
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn pause(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

impl Surroundings for Script {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// Service accounts that are somebody in all clouds.
struct Opener;

impl Cluster for Opener {
    fn annotations<'c>(&'c self, _: &'c str, _: &'c str) -> Asked<'c, Option<BTreeMap<String, String>>> {
        let annotations = [
            ("azure.workload.identity/tenant-id", "tenant"),
            ("azure.workload.identity/client-id", "client"),
            ("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/sops"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Box::pin(async move { Ok(Some(annotations.into())) })
    }

    fn token<'c>(&'c self, _: &'c str, _: &'c str, audiences: &'c [String]) -> Asked<'c, Zeroizing<String>> {
        Box::pin(async move { Ok(Zeroizing::new(format!("for {}", audiences.join(",")))) })
    }
}

fn azure(vault: &str) -> MasterKey {
    MasterKey::Azure(AzureKey {
        vault_url: vault.to_owned(),
        name: "sops".to_owned(),
        version: "1".to_owned(),
        encrypted: "YWJj".to_owned(),
        ..AzureKey::default()
    })
}

const TOKEN: &str = r#"{"access_token": "of-azure", "expires_in": 3600}"#;
const PLAIN: &str = r#"{"value": "ZGVm"}"#;

#[test]
fn azure_is_asked_what_token_it_takes() {
    let address = "POST guarded https://a.vault.azure.net/keys/sops/1/decrypt?api-version=2025-07-01";
    let body = "{\"alg\":\"RSA-OAEP-256\",\"value\":\"YWJj\"}";
    let secret = "tenantId: tenant\nclientId: client\nclientSecret: secret\n";
    let script = Script::answers(&[
        ("a.vault.azure.net", 401, ""),
        (
            "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
            200,
            TOKEN,
        ),
        ("a.vault.azure.net", 200, PLAIN),
    ]);
    let key = azure("https://a.vault.azure.net");
    let plain = script.decrypt(&[("sops.azure-kv", secret)], &key);
    assert_eq!(plain.as_deref(), Ok(&b"def"[..]));
    let asked = script.asked();
    assert_eq!(asked[0], format!("{address} content-type=application/json "));
    assert!(asked[1].contains("client_secret=secret"), "{}", asked[1]);
    assert!(
        asked[1].contains("scope=https%3A%2F%2Fvault.azure.net%2F.default"),
        "{}",
        asked[1]
    );
    let of_azure = "content-type=application/json;authorization=Bearer of-azure";
    assert_eq!(asked[2], format!("{address} {of_azure} {body}"));

    let mut script = Script::answers(&[
        ("a.vault.azure.net", 401, ""),
        (
            "https://login.microsoftonline.com/tenant/oauth2/v2.0/token",
            200,
            TOKEN,
        ),
        ("a.vault.azure.net", 200, PLAIN),
    ]);
    script.is_account = true;
    assert_eq!(script.decrypt(&[], &key).as_deref(), Ok(&b"def"[..]));
    let assertion = "client_assertion=for+api%3A%2F%2FAzureADTokenExchange";
    assert!(script.asked()[1].contains(assertion), "{:?}", script.asked());
}

#[test]
fn no_token_of_azure_goes_to_another_vault() {
    let script = Script::answers(&[("vault.evil.org", 401, "")]);
    let error = script.decrypt(&[], &azure("https://vault.evil.org")).unwrap_err();
    assert!(error.contains("doesn't match the requested domain"), "{error}");
    assert_eq!(script.asked().len(), 1);
}

#[test]
fn aws_is_asked_as_the_role_of_the_file() {
    let credentials = "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                       <SessionToken>u</SessionToken></Credentials>";
    let script = Script::answers(&[
        ("https://sts.eu-west-1.amazonaws.com/", 200, credentials),
        (
            "https://kms.eu-west-1.amazonaws.com/",
            200,
            r#"{"Plaintext": "ZGVm"}"#,
        ),
    ])
    .with("HOSTNAME", "pod")
    .with("AWS_ACCESS_KEY_ID", "AKIA")
    .with("AWS_SECRET_ACCESS_KEY", "s");
    let key = MasterKey::AwsKms(AwsKmsKey {
        arn: "arn:aws:kms:eu-west-1:1:key/k".to_owned(),
        role: "arn:aws:iam::1:role/other".to_owned(),
        encrypted: "YWJj".to_owned(),
        ..AwsKmsKey::default()
    });
    assert_eq!(script.decrypt(&[], &key).as_deref(), Ok(&b"def"[..]));
    let asked = script.asked();
    let role = "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fother&RoleSessionName=sops%40pod";
    assert!(asked[0].contains(role), "{}", asked[0]);
    let signed = "Credential=AKIA/19700101/eu-west-1/sts/aws4_request";
    assert!(asked[0].contains(signed), "{}", asked[0]);
    assert!(asked[1].contains("Credential=ASIA/"), "{}", asked[1]);
    assert!(asked[1].contains("x-amz-security-token=u"), "{}", asked[1]);
    let body = r#"{"CiphertextBlob":"YWJj","KeyId":"arn:aws:kms:eu-west-1:1:key/k"}"#;
    assert!(asked[1].ends_with(body), "{}", asked[1]);
}

#[test]
fn aws_is_asked_as_the_account() {
    let credentials = "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                       <SessionToken>u</SessionToken><Expiration>1970-01-01T01:00:00Z</Expiration></Credentials>";
    let mut script = Script::answers(&[
        ("https://sts.eu-west-1.amazonaws.com/", 200, credentials),
        (
            "https://kms.eu-west-1.amazonaws.com/",
            200,
            r#"{"Plaintext": "ZGVm"}"#,
        ),
    ]);
    script.is_account = true;
    let key = MasterKey::AwsKms(AwsKmsKey {
        arn: "arn:aws:kms:eu-west-1:1:key/k".to_owned(),
        encrypted: "YWJj".to_owned(),
        ..AwsKmsKey::default()
    });
    assert_eq!(script.decrypt(&[], &key).as_deref(), Ok(&b"def"[..]));
    let asked = script.asked();
    let assumed = "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fsops&\
                   RoleSessionName=opener.apps.eu-west-1.fluxcd.io&Version=2011-06-15&WebIdentityToken=for+sts.amazonaws.com";
    assert!(asked[0].ends_with(assumed), "{}", asked[0]);
    assert!(asked[1].contains("Credential=ASIA/"), "{}", asked[1]);
}

#[test]
fn refusals_are_told_in_the_words_of_the_clients() {
    let vault = |address: &str| {
        MasterKey::Vault(VaultKey {
            address: address.to_owned(),
            engine_path: "sops".to_owned(),
            key_name: "first".to_owned(),
            encrypted: "vault:v1:x".to_owned(),
            ..VaultKey::default()
        })
    };
    let token = [("sops.vault-token", "secret")];
    let script = Script::answers(&[(
        "/v1/sops/decrypt/first",
        403,
        r#"{"errors":["permission denied"]}"#,
    )]);
    let error = script.decrypt(&token, &vault("https://v:8200")).unwrap_err();
    assert_eq!(
        error,
        "failed to decrypt sops data key from Vault transit backend 'sops/decrypt/first': Error making API request.\n\n\
         URL: PUT https://v:8200/v1/sops/decrypt/first\nCode: 403. Errors:\n\n* permission denied"
    );
    let listed = Script::default().with("SOPS_HC_VAULT_ALLOWLIST", "https://other");
    let error = listed.decrypt(&token, &vault("https://v:8200")).unwrap_err();
    assert_eq!(error, "Allowlist does not allow https://v:8200");
    assert!(listed.asked().is_empty());
    let nobody = Script::default();
    let error = nobody.decrypt(&token, &vault("unix:///run/v")).unwrap_err();
    assert!(error.contains("cannot create Vault client: parse"), "{error}");
    let huawei = MasterKey::Huawei(HuaweiKey::default());
    let error = nobody.decrypt(&[], &huawei).unwrap_err();
    assert!(error.contains("Huawei Cloud KMS are not supported"), "{error}");
}

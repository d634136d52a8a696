//! `spec.decryption` with keys that a service decrypts: what stock asks the service, and what ours does.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{HttpServer, KUSTOMIZATION, Process, SECRET, Testbed, controller};
use e2e::tools::{Tool, ensure};
use serde_json::{Value, json};

use crate::app::{App, Owner, deploy};

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/612d5f0a-0000-45e6-aca6-a5b005693a48";
const RESOURCE: &str = "projects/p/locations/global/keyRings/r/cryptoKeys/k";
/// What whoever reconciles is to say that he is.
const VAULT_TOKEN: &str = "s.token-of-the-test";

/// All that was asked, in order.
type Asked = Arc<Mutex<Vec<Value>>>;

/// Vault, AWS and Google in one. They encrypt by turning bytes round, and say nothing to those they do not know.
async fn answer(
    State(asked): State<Asked>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let turned = |text: &str| {
        let mut bytes = STANDARD.decode(text).unwrap_or_default();
        bytes.reverse();
        STANDARD.encode(bytes)
    };
    let field = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let scheme = header("authorization")
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    if let Ok(mut asked) = asked.lock() {
        asked.push(json!({
            "method": method.as_str(), "path": uri.path(), "target": header("x-amz-target"), "scheme": scheme,
            "type": header("content-type"), "token": header("x-vault-token"), "vault": header("x-vault-request"),
            "body": json,
        }));
    }
    let denied = || StatusCode::FORBIDDEN.into_response();
    let path = uri.path();
    let reply = if path == "/token" {
        json!({"access_token": "of-google", "expires_in": 3600, "token_type": "Bearer"})
    } else if let Some(operation) = header("x-amz-target").strip_prefix("TrentService.") {
        let known = header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=AKIATEST/");
        match operation {
            "Encrypt" if known => json!({"CiphertextBlob": turned(&field("Plaintext")), "KeyId": ARN}),
            "Decrypt" if known && json["EncryptionContext"]["for"] == "tests" => {
                json!({"Plaintext": turned(&field("CiphertextBlob")), "KeyId": ARN})
            }
            _ => return denied(),
        }
    } else if path.ends_with(":encrypt") || path.ends_with(":decrypt") {
        if header("authorization") != "Bearer of-google" {
            return denied();
        }
        json!({"ciphertext": turned(&field("plaintext")), "plaintext": turned(&field("ciphertext"))})
    } else if path.starts_with("/v1/auth/") {
        json!({"auth": {"client_token": VAULT_TOKEN}})
    } else if header("x-vault-token") != VAULT_TOKEN {
        return (StatusCode::FORBIDDEN, r#"{"errors":["permission denied"]}"#).into_response();
    } else if path.starts_with("/v1/sops/encrypt/") {
        json!({"data": {"ciphertext": format!("vault:v1:{}", turned(&field("plaintext")))}})
    } else {
        let text = field("ciphertext");
        json!({"data": {"plaintext": turned(text.trim_start_matches("vault:v1:"))}})
    };
    ([("content-type", "application/json")], reply.to_string()).into_response()
}

/// The services, and what they are asked.
struct Services {
    server: HttpServer,
    asked: Asked,
}

impl Services {
    fn start() -> Result<Self> {
        let asked = Asked::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&asked));
        let server = HttpServer::start(router)?;
        Ok(Self { server, asked })
    }

    /// What was asked since this was called last.
    fn take(&self) -> Vec<Value> {
        self.asked
            .lock()
            .map(|mut asked| std::mem::take(&mut *asked))
            .unwrap_or_default()
    }

    /// What leads clients of the clouds here.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let here = self.server.url("");
        vec![
            ("AWS_ENDPOINT_URL", here.clone()),
            ("SOPS_GCP_KMS_CLIENT_TYPE", "rest".to_owned()),
            ("SOPS_GCP_KMS_ENDPOINT", here),
        ]
    }

    /// A service account of Google, whose tokens come from here.
    fn google(&self) -> Result<String> {
        let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/sops/cases/keys/rsa.pem");
        let file = json!({
            "type": "service_account", "client_email": "sops@p.iam.gserviceaccount.com", "private_key_id": "one",
            "private_key": std::fs::read_to_string(key)?, "token_uri": self.server.url("/token"), "project_id": "p",
        });
        Ok(file.to_string())
    }

    /// A Secret that the real sops encrypted for a key of a service.
    fn encrypted(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let [sops] = ensure([Tool::Sops])?;
        let file = tempfile::Builder::new().suffix(".yaml").tempfile()?;
        let plain = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{password: hunter2}}\n"
        );
        std::fs::write(file.path(), plain)?;
        let output = Command::new(sops)
            .args(["encrypt", "--encrypted-regex", "^stringData$"])
            .args(arguments)
            .arg(file.path())
            .env_clear()
            .envs(self.environment())
            .env("VAULT_TOKEN", VAULT_TOKEN)
            .env("AWS_ACCESS_KEY_ID", "AKIATEST")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("GOOGLE_CREDENTIALS", self.google()?)
            .output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// A controller of its own, which finds the services by its environment.
fn start(testbed: &Testbed, services: &Services, owner: Owner, more: &[&str]) -> Result<Process> {
    let Owner::Shard(shard) = owner else {
        bail!("only shards have controllers of their own");
    };
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
    let common = [
        "--metrics-addr=:0",
        "--health-addr=:0",
        "--events-addr=",
        selector.as_str(),
    ];
    let mut environment = services.environment();
    environment.push(("KUBECONFIG", testbed.kubeconfig().display().to_string()));
    environment.push(("RUNTIME_NAMESPACE", "flux-system".to_owned()));
    // A stock controller that starts meanwhile may empty the folder that all share.
    let temporary = testbed.logs().join(format!("tmp-{shard}"));
    std::fs::create_dir_all(&temporary)?;
    environment.push(("TMPDIR", temporary.display().to_string()));
    let (program, own): (_, &[&str]) = if shard.starts_with("stock") {
        let [program] = ensure([Tool::KustomizeController])?;
        (program, &["--watch-all-namespaces"])
    } else {
        let own = &[
            "--sops-key-hosts=127.0.0.1",
            "--artifact-hosts=127.0.0.1",
            "--controllers=kustomize",
        ];
        (controller()?, own)
    };
    let first = (!shard.starts_with("stock")).then_some(&"run");
    let arguments = first.into_iter().chain(&common).chain(own).chain(more);
    Process::spawn(shard, testbed.logs(), &program, arguments, &environment)
}

/// One Kustomization for stock and one for ours; what each asked, and the Secrets that each applied.
async fn both(
    app: &App,
    services: &Services,
    shards: [&'static str; 2],
    flags: &[&str],
    decryption: &Value,
) -> Result<[(Vec<Value>, Vec<Value>); 2]> {
    // Artifacts of stock sources are mirrored by the shared controller.
    app.testbed.openflux_controller().await?;
    let mut results = Vec::new();
    for shard in shards {
        let owner = Owner::Shard(shard);
        let _controller = start(app.testbed, services, owner, flags)?;
        services.take();
        let spec = json!({
            "path": "deploy", "sourceRef": {"kind": "GitRepository", "name": "app"}, "namePrefix": format!("{shard}-"),
            "decryption": decryption, "interval": "1h", "retryInterval": "1h",
        });
        deploy(app, owner, shard, &[spec]).await?;
        app.wait_ready(KUSTOMIZATION, shard).await?;
        let mut secrets = Vec::new();
        for secret in app.list(SECRET).await? {
            let name = secret.metadata.name.unwrap_or_default();
            if let Some(name) = name.strip_prefix(&format!("{shard}-")) {
                secrets.push(json!([name, secret.data["data"]]));
            }
        }
        secrets.sort_by_key(|secret| secret[0].as_str().unwrap_or_default().to_owned());
        results.push((services.take(), secrets));
    }
    let both: Result<[_; 2], _> = results.try_into();
    both.ok().context("two controllers")
}

#[tokio::test]
async fn services_are_asked_as_stock_asks_them() -> Result<()> {
    let services = Services::start()?;
    let key = format!("{}/v1/sops/keys/first", services.server.url(""));
    let files = [
        (
            "deploy/aws.yaml",
            services.encrypted("aws", &["--kms", ARN, "--encryption-context", "for:tests"])?,
        ),
        (
            "deploy/gcp.yaml",
            services.encrypted("gcp", &["--gcp-kms", RESOURCE])?,
        ),
        (
            "deploy/vault.yaml",
            services.encrypted("vault", &["--hc-vault-transit", &key])?,
        ),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let app = App::owned_by(Owner::Shard("stock-keys"), "key-services", &files).await?;
    let google = services.google()?;
    let data = json!({
        "sops.vault-token": VAULT_TOKEN, "sops.gcp-kms": google,
        "sops.aws-kms": "aws_access_key_id: AKIATEST\naws_secret_access_key: secret\n",
    });
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": data});
    app.apply(&secret.to_string()).await?;
    let decryption = json!({"provider": "sops", "secretRef": {"name": "keys"}});
    let [stock, ours] = both(&app, &services, ["stock-keys", "our-keys"], &[], &decryption).await?;
    assert_eq!(ours.1, stock.1);
    assert_eq!(ours.1.len(), 3, "{:#?}", ours.1);
    let neutral = |mut asked: Vec<Value>| {
        for request in &mut asked {
            // A field that is written by the SDK although it has no meaning in a body of JSON.
            if request["path"] == "/token" {
                request["type"] = "form".into();
            }
        }
        asked
    };
    assert_eq!(neutral(ours.0), neutral(stock.0));
    Ok(())
}

#[tokio::test]
async fn vault_takes_the_account_of_the_object() -> Result<()> {
    let services = Services::start()?;
    let key = format!("{}/v1/sops/keys/first", services.server.url(""));
    let file = services.encrypted("vault", &["--hc-vault-transit", &key])?;
    let account = Owner::Shard("stock-login");
    let app = App::owned_by(account, "key-accounts", &[("deploy/vault.yaml", &file)]).await?;
    let home = app.testbed.home().await?;
    let name = format!("vault-{}", app.name());
    let config = format!(
        "instances:\n- {{address: '{}', loginPath: auth/kubernetes/login}}\n",
        services.server.url("")
    );
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"config.yaml": config}});
    home.apply(&map.to_string()).await?;
    app.apply("{apiVersion: v1, kind: ServiceAccount, metadata: {name: opener}}")
        .await?;
    let flags = [
        format!("--sops-vault-configmap={name}"),
        "--feature-gates=ObjectLevelWorkloadIdentity=true".to_owned(),
    ];
    let flags = flags.each_ref().map(String::as_str);
    let decryption = json!({"provider": "sops", "serviceAccountName": "opener"});
    let [stock, ours] = both(&app, &services, ["stock-login", "our-login"], &flags, &decryption).await?;
    assert_eq!(ours.1, stock.1);
    let neutral = |mut asked: Vec<Value>| {
        for request in &mut asked {
            if let Some(token) = request["body"].get_mut("jwt") {
                *token = token.as_str().map(|token| token.split('.').count()).into();
            }
        }
        asked
    };
    let asked = neutral(ours.0);
    assert_eq!(asked[0]["body"]["role"], format!("{}_opener", app.name()));
    assert_eq!(asked, neutral(stock.0));
    Ok(())
}

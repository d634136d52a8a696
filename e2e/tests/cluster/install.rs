//! `openflux-controller install --export`: the API server takes the manifests, and their rights are enough.

use anyhow::{Result, ensure};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, CONFIG_MAP, EVENT, EXTERNAL_ARTIFACT, HTTP, KUSTOMIZATION,
    Namespace, Options, PATIENCE, SERVICE, Testbed, controller, eventually,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::app::config_map;
use crate::artifacts::{consume, offer};
use crate::sources::mirrored;

/// The manifests, with more flags.
fn export(flags: &[&str]) -> Result<String> {
    let output = std::process::Command::new(controller()?)
        .args(["install", "--export"])
        .args(flags)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Installs into `flux-system`; gives the specification of the pods.
async fn install(namespace: &Namespace, flags: &[&str]) -> Result<Value> {
    namespace.apply(&export(flags)?).await?;
    let deployments = Api::<Deployment>::namespaced(namespace.client().clone(), "flux-system");
    let deployment = deployments.get("openflux-controller").await?;
    Ok(json!(deployment.spec)["template"]["spec"].clone())
}

/// The arguments of the Deployment, but for what a test on one machine has to say differently.
fn arguments(pod: &Value) -> Vec<String> {
    let arguments = pod["containers"][0]["args"].as_array().into_iter().flatten();
    let arguments = arguments.filter_map(Value::as_str).skip(1);
    arguments
        .filter(|argument| !argument.starts_with("--events-addr"))
        .map(str::to_owned)
        .collect()
}

/// The manifests for a cluster with tenants that trust nobody.
const LOCKDOWN: [&str; 10] = [
    "--default-service-account=deployer",
    "--no-cross-namespace-refs",
    "--no-remote-bases",
    "--remote-base-hosts=git.example.com",
    "--cluster-domain=corp.example",
    "--artifact-writers=system:serviceaccount:flux-system:elsewhere,jane",
    "--controllers=sources,kustomize,helm,bridge,http",
    "--storage-claim=artifacts",
    "--arg=--concurrent=8",
    "--arg=--feature-gates=ExternalArtifact=false",
];

#[tokio::test]
async fn a_lockdown_says_who_may_write_artifacts() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("lockdown").await?;
    let pod = install(&namespace, &LOCKDOWN).await?;
    let given = arguments(&pod);
    for argument in [
        "--default-service-account=deployer",
        "--no-cross-namespace-refs=true",
        "--no-remote-bases=true",
        "--remote-base-hosts=git.example.com",
        "--artifact-hosts=*.svc,*.svc.corp.example",
        "--controllers=sources,kustomize,helm,bridge,http",
        "--storage-adv-addr=openflux-controller.flux-system.svc.corp.example.",
        "--concurrent=8",
        "--feature-gates=ExternalArtifact=false",
    ] {
        ensure!(
            given.iter().any(|given| given == argument),
            "{argument}: {given:?}"
        );
    }
    // The controller takes them all: what it misses is a cluster.
    let start = std::process::Command::new(controller()?)
        .arg("run")
        .args(&given)
        .env_clear()
        .env("KUBECONFIG", "/nonexistent")
        .output()?;
    let said = String::from_utf8_lossy(&start.stderr).into_owned();
    ensure!(said.contains("no cluster"), "{said}");

    let policies = Api::<NetworkPolicy>::namespaced(namespace.client().clone(), "flux-system");
    policies.get("openflux-controller").await?;
    let services = Api::<Service>::namespaced(namespace.client().clone(), "flux-system");
    services.get("openflux-controller").await?;
    let claim = pod["volumes"][1]["persistentVolumeClaim"]["claimName"].as_str();
    ensure!(claim == Some("artifacts"), "{}", pod["volumes"]);

    // An administrator of a namespace sees its Artifacts, and writes none, even with the right to.
    namespace
        .apply(&TENANT.replace("NAMESPACE", namespace.name()))
        .await?;
    let artifact = |revision: &str| {
        json!({
            "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind, "metadata": {"name": "app"},
            "spec": {
                "url": "http://store.flux-system.svc/a", "revision": revision,
                "digest": format!("sha256:{}", "a".repeat(64)), "lastUpdateTime": "2026-01-01T00:00:00Z",
            },
        })
    };
    namespace.apply(&artifact("1").to_string()).await?;
    let tenant = testbed.kubeconfig_of(namespace.name(), "deployer").await?;
    let tenant = kube::config::Kubeconfig::read_from(tenant)?;
    let config =
        kube::Config::from_custom_kubeconfig(tenant, &kube::config::KubeConfigOptions::default()).await?;
    let client = kube::Client::try_from(config)?;
    let resource = kube::api::ApiResource::erase::<artifact_crd::Artifact>(&());
    let artifacts: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace.name(), &resource);
    eventually("the role to be aggregated", async || {
        Ok(artifacts.list(&ListParams::default()).await.ok())
    })
    .await?;
    // What becomes an Artifact is theirs to say, as Flux's own sources are.
    let resource = kube::api::ApiResource::erase::<artifact_crd::Http>(&());
    let sources: Api<DynamicObject> = Api::namespaced_with(client, namespace.name(), &resource);
    let source = json!({
        "apiVersion": HTTP.api_version, "kind": HTTP.kind, "metadata": {"name": "app"}, "spec": {"url": "https://example.org/a"},
    });
    eventually("the right to make sources to be aggregated", async || {
        let parameters = PatchParams::apply("tenant").force();
        Ok(sources
            .patch("app", &parameters, &Patch::Apply(&source))
            .await
            .ok())
    })
    .await?;
    let write = async |body: &Value| {
        let parameters = PatchParams::apply("tenant").force();
        artifacts.patch("app", &parameters, &Patch::Apply(body)).await
    };
    let refused = write(&artifact("2")).await;
    ensure!(is_forbidden(&refused, "cannot patch resource"), "{refused:?}");
    namespace
        .apply(&MAY_WRITE.replace("NAMESPACE", namespace.name()))
        .await?;
    // A write that came before the policy was in force has changed the object; the same again would change nothing.
    let mut revision = 2;
    eventually("the policy to decide", async || {
        revision += 1;
        let refused = write(&artifact(&revision.to_string())).await;
        Ok(is_forbidden(&refused, "--artifact-writers").then_some(()))
    })
    .await?;
    // What decides nothing may be changed.
    let label = json!({"metadata": {"labels": {"team": "a"}}});
    artifacts
        .patch("app", &PatchParams::default(), &Patch::Merge(&label))
        .await?;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1"}]);
    let owned = json!({"metadata": {"ownerReferences": owner}});
    let refused = artifacts
        .patch("app", &PatchParams::default(), &Patch::Merge(&owned))
        .await;
    ensure!(is_forbidden(&refused, "--artifact-writers"), "{refused:?}");
    namespace.apply(&artifact("3").to_string()).await
}

/// The right that the policy takes away.
const MAY_WRITE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: writer}
rules: [{apiGroups: [openfluxcd.ocm.software], resources: [artifacts], verbs: ['*']}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: writer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: writer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAMESPACE}]
";

fn is_forbidden<T>(answer: &kube::Result<T>, text: &str) -> bool {
    let Err(kube::Error::Api(status)) = answer else {
        return false;
    };
    status.code == 403 && status.message.contains(text)
}

/// What a tenant's service account may do.
const TENANT: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAMESPACE}]
";

#[tokio::test]
async fn the_manifests_are_taken_and_give_the_rights_that_are_needed() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("install").await?;
    let tenants = ["--default-service-account=deployer"];
    let pod = install(&namespace, &tenants).await?;
    for (field, expected) in [
        (
            "/containers/0/securityContext/readOnlyRootFilesystem",
            json!(true),
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(false),
        ),
        ("/containers/0/securityContext/capabilities/drop", json!(["ALL"])),
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        ("/containers/0/readinessProbe/httpGet/path", json!("/readyz")),
    ] {
        assert_eq!(pod.pointer(field), Some(&expected), "{field}");
    }
    let bindings = Api::<ClusterRoleBinding>::all(namespace.client().clone());
    let administrator = bindings.get_opt("openflux-controller-cluster-reconciler").await?;
    ensure!(administrator.is_none(), "tenants need no cluster administrator");

    // The very rights of the manifests, and nothing else.
    let kubeconfig = testbed
        .kubeconfig_of("flux-system", "openflux-controller")
        .await?;
    let arguments = arguments(&pod);
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(["--controllers=sources,kustomize,bridge"])
        .collect();
    let mut controller = testbed.start_openflux_as(&kubeconfig, "openflux-controller", &arguments)?;
    namespace
        .apply(&TENANT.replace("NAMESPACE", namespace.name()))
        .await?;
    namespace
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: values}, stringData: {colour: blue}}")
        .await?;
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
    let archive = |colour: &str, more: &[(&str, &str)]| {
        let config = config_map("a", colour);
        let mut files = vec![("a.yaml", config.as_str())];
        files.extend(more);
        Ok::<_, anyhow::Error>(Answer::Bytes(Archive::of(&files).pack()?))
    };
    let server = ArtifactServer::start([
        ("first", archive("${colour}", &[("web.yaml", service)])?),
        ("second", archive("red", &[])?),
    ])?;
    // One Artifact is mirrored from a source, the other one offered to stock deployers.
    crate::sources::offer(&namespace, "mirrored", "http://127.0.0.1:1/a", "1").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "mirrored").await?;
    offer(&namespace, "app", &server, "first").await?;
    namespace.wait_ready(EXTERNAL_ARTIFACT, "app").await?;
    let variables = json!({"substituteFrom": [{"kind": "Secret", "name": "values"}]});
    consume(
        &namespace,
        "app",
        "app",
        json!({"wait": true, "postBuild": variables}),
    )
    .await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    offer(&namespace, "app", &server, "second").await?;
    namespace.wait_gone(SERVICE, "web").await?;
    eventually("an event", async || {
        let mut events = namespace.list(EVENT).await?.into_iter();
        Ok(events.find(|event| event.data["involvedObject"]["kind"] == KUSTOMIZATION.kind))
    })
    .await?;
    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    ensure!(namespace.get(CONFIG_MAP, "a").await?.is_none());
    let status = controller.stop(PATIENCE)?;
    ensure!(status.success(), "{status}");
    let denied: Vec<_> = controller
        .output()
        .lines()
        .filter(|line| line.contains("forbidden"))
        .map(str::to_owned)
        .collect();
    ensure!(denied.is_empty(), "{denied:#?}");

    // Without a service account for all, it is a cluster administrator as stock's controller is.
    install(&namespace, &[]).await?;
    ensure!(
        bindings
            .get_opt("openflux-controller-cluster-reconciler")
            .await?
            .is_some()
    );
    Ok(())
}
